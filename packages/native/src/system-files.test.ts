import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { thrownBy } from '../test-support/errors'
import { linuxKernel } from './linux-kernel'

const kernel = linuxKernel()
const folder = mkdtempSync(join(tmpdir(), 'linux-dma-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('files of the system', () => {
  it('are read whole', () => {
    expect(kernel.readText('/proc/self/status')).toContain(`\nPid:\t${process.pid}\n`)
  })

  it('are written in place', () => {
    const path = join(folder, 'attribute')
    writeFileSync(path, 'abcdef')
    kernel.writeText(path, 'xyz')
    expect(readFileSync(path, 'utf8')).toBe('xyzdef')
    kernel.writeText(path, '')
  })

  it('are listed in order', () => {
    for (const name of ['b', 'a', 'c']) mkdirSync(join(folder, 'list', name), { recursive: true })
    expect(kernel.list(join(folder, 'list'))).toEqual(['a', 'b', 'c'])
  })

  it('tell where a link leads', () => {
    symlinkSync('../elsewhere', join(folder, 'link'))
    expect(kernel.readLink(join(folder, 'link'))).toBe('../elsewhere')
  })

  it('are taken away, a name at a time', () => {
    const path = join(folder, 'taken')
    writeFileSync(path, '')
    kernel.unlink(path)
    expect(kernel.list(folder)).not.toContain('taken')
    expect(thrownBy(() => kernel.unlink(path))).toMatchObject({ code: 'ENOENT', syscall: 'unlink', path })
    expect(thrownBy(() => kernel.unlink(folder)).code).toMatch(/EISDIR|EPERM/)
    expect(thrownBy(() => kernel.unlink('')).code).toBe('DMA_INVALID_ARGUMENT')
  })

  it('have errors with the call and the path', () => {
    const path = join(folder, 'missing')
    for (const call of [
      () => kernel.readText(path),
      () => kernel.writeText(path, 'x'),
      () => kernel.list(path),
      () => kernel.readLink(path),
    ]) {
      const error = thrownBy(call)
      expect(error).toMatchObject({ name: 'DmaError', code: 'ENOENT', errno: -2, path })
      expect(['open', 'scandir', 'readlink']).toContain(error.syscall)
      expect(error.hint).toContain('ls -l')
    }
    expect(thrownBy(() => kernel.readText(folder))).toMatchObject({ code: 'EISDIR', path: folder })
    expect(thrownBy(() => kernel.writeText('/proc/self/status', 'x')).code).toMatch(/EACCES|EPERM|EIO|EINVAL/)
  })

  it('have paths and texts that are strings', () => {
    for (const path of ['', 'a\0', 1, null, undefined]) {
      expect(thrownBy(() => kernel.readText(path as string)).code).toBe('DMA_INVALID_ARGUMENT')
      expect(thrownBy(() => kernel.list(path as string)).code).toBe('DMA_INVALID_ARGUMENT')
    }
    expect(thrownBy(() => kernel.writeText(join(folder, 'attribute'), 5 as unknown as string)).code).toBe(
      'DMA_INVALID_ARGUMENT',
    )
  })
})
