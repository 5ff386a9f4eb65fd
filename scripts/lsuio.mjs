#!/usr/bin/env node
// npm run lsuio: the UIO devices of this machine, after building what is missing. See packages/uio/README.md.
//   npm run lsuio -- -v                everything that is known of them
//   npm run lsuio --silent -- --json   for programs
import path from 'node:path'
import { build, buildAddon, ensureDependencies, root, run } from './steps.mjs'

ensureDependencies()
build('./packages/uio')
buildAddon()
process.exitCode = run(process.execPath, [
  path.join(root, 'packages/uio/dist/lsuio.js'),
  'lsuio',
  ...process.argv.slice(2),
])
