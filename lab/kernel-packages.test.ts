import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseDependencies } from './apt.mjs'
import { parseMissing } from './elf-libraries.mjs'
import { kernelSeries } from './uio-source.mjs'

it('reads what a package depends on: of alternatives the first, without versions', () => {
  const text = `Package: linux-headers-6.12.9+deb12-cloud-amd64
Depends: linux-base (>= 4.12~), linux-headers-6.12.9+deb12-common (= 6.12.9-1), linux-image-6.12.9+deb12-cloud-amd64 | linux-image-6.12.9+deb12-cloud-amd64-unsigned, linux-kbuild-6.12.9+deb12, gcc-12
Description: Depends: nothing`
  expect(parseDependencies(text)).toEqual([
    'linux-base',
    'linux-headers-6.12.9+deb12-common',
    'linux-image-6.12.9+deb12-cloud-amd64',
    'linux-kbuild-6.12.9+deb12',
    'gcc-12',
  ])
  expect(parseDependencies('Package: linux-base\n')).toEqual([])
})

it('tells libraries that are missing from those that are there', () => {
  const text = `	linux-vdso.so.1 (0x00007ffd)
	libelf.so.1 => not found
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f63)`
  expect(parseMissing(text)).toEqual(['libelf.so.1'])
  expect(parseMissing('	not a dynamic executable')).toEqual([])
})

it('knows the series of a kernel', () => {
  expect(kernelSeries('6.12.95+deb12-cloud-amd64')).toBe('6.12')
  expect(kernelSeries('7.0-rc1')).toBe('7.0')
  expect(() => kernelSeries('generic')).toThrow('no version')
})

it('every source of a kernel module says under which licence it is', () => {
  const folder = join(import.meta.dirname, 'modules')
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  expect(files.length).toBeGreaterThan(4)
  for (const { parentPath, name } of files) {
    const [line] = readFileSync(join(parentPath, name), 'utf8').split('\n')
    expect(line, name).toContain('SPDX-License-Identifier: GPL-2.0')
  }
})
