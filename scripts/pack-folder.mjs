#!/usr/bin/env node
// npm run pack -- FOLDER: the tarballs of all packages, for a project that is to use them before they are on npm.
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { pack } from './pack.mjs'
import { build, buildAddon, ensureDependencies } from './steps.mjs'

const [folder, ...more] = process.argv.slice(2)
if (folder === undefined || folder.startsWith('-') || more.length > 0) {
  console.error('npm run pack -- FOLDER')
  process.exit(2)
}
ensureDependencies()
build()
buildAddon()
const target = path.resolve(process.env.INIT_CWD ?? '.', folder)
mkdirSync(target, { recursive: true })
pack(target)
console.log(`\nin your project: npm install --save-dev ${path.join(target, '*.tgz')}`)
