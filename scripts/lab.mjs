#!/usr/bin/env node
// npm run lab: the packages' tests and examples on a real kernel, after building what is missing. See lab/README.md.
import { buildReference } from './bench-reference.mjs'
import { build, buildAddon, ensureDependencies } from './steps.mjs'

const args = process.argv.slice(2)
if (!args.includes('--help') && !args.includes('-h')) {
  ensureDependencies()
  build()
  buildAddon()
  if (args.some((word) => /(^|[/=])bench\/lab\.mjs$/.test(word))) buildReference()
}
const { main } = await import('../lab/main.mjs')
process.exitCode = await main(args)
