#!/usr/bin/env node
// `npm run lab`: the packages' tests and examples on a real kernel. See lab/README.md.
import { main } from '../lab/main.mjs'

process.exitCode = await main(process.argv.slice(2))
