#!/usr/bin/env node
// npm run lab: the packages' tests and examples on a real kernel, after building what is missing. See lab/README.md.
import { build, buildAddon, ensureDependencies } from './steps.mjs'

const args = process.argv.slice(2)
if (!args.includes('--help') && !args.includes('-h')) {
  ensureDependencies()
  build()
  buildAddon()
}
const { main } = await import('../lab/main.mjs')
process.exitCode = await main(args)
