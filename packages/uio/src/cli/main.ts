#!/usr/bin/env node
import process from 'node:process'
import { linuxKernel } from '@linux-dma/core'
import { version } from '../../package.json'
import { run } from './run'

// Whoever reads may have enough before the end, as head(1) has.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
process.exitCode = run(process.argv.slice(2), {
  kernel: linuxKernel,
  stdout: process.stdout,
  stderr: process.stderr,
  version,
})
