import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { bundleKernel, runScript } from '../test-support/child'
import { thrownBy } from '../test-support/errors'
import { loadAddon, packageRoot } from './addon'

const bundle = bundleKernel()
const folder = mkdtempSync(join(tmpdir(), 'linux-dma-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('the addon', () => {
  it('loads from the prebuilt file, as in an installed package', () => {
    const { stderr, status, stdout } = runScript(
      bundle,
      `const loaded = process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node'))
      console.log(loaded.length, loaded[0].includes('/prebuilds/linux-'))
      kernel.close(kernel.eventfd())`,
      { env: { PREBUILDS_ONLY: '1' } },
    )
    expect([stderr, status, stdout]).toEqual(['', 0, '1 true\n'])
  })

  it('is not touched by importing the package, on any platform', () => {
    const { stderr, status, stdout } = runScript(
      bundle,
      `const loaded = () => process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node')).length
      const before = loaded()
      Object.defineProperty(process, 'platform', { value: 'darwin' })
      const elsewhere = await import('${bundle}?elsewhere')
      try { elsewhere.linuxKernel() } catch (error) { console.log(loaded() - before, error.name, error.code) }`,
    )
    expect([stderr, status, stdout]).toEqual(['', 0, '0 DmaError DMA_NATIVE_UNAVAILABLE\n'])
  })

  it('says on another platform that this is the real kernel, and what does without', () => {
    const error = thrownBy(() => loadAddon(packageRoot, 'darwin'))
    expect(error.code).toBe('DMA_NATIVE_UNAVAILABLE')
    expect(error.message).toContain('looked for: darwin')
    expect(error.hint).toContain('@linux-dma/testkit')
  })

  it('says where it looked when there is no file', () => {
    const error = thrownBy(() => loadAddon(folder, 'linux'))
    expect(error.code).toBe('DMA_NATIVE_UNAVAILABLE')
    expect(error.message).toContain(join(folder, 'prebuilds', `linux-${process.arch}`))
    expect(error.message).toContain(`linux ${process.arch} glibc`)
    expect(error.hint).toContain('node-gyp rebuild')
  })

  it('says which file is damaged', () => {
    const prebuilds = join(folder, 'prebuilds', `linux-${process.arch}`)
    const whole = join(packageRoot, 'prebuilds', `linux-${process.arch}`)
    mkdirSync(prebuilds, { recursive: true })
    const file = join(prebuilds, 'native.node')
    writeFileSync(file, 'not a library')
    const error = thrownBy(() => loadAddon(folder, 'linux'))
    expect(error.code).toBe('DMA_NATIVE_UNAVAILABLE')
    expect(error.message).toContain(`tried: ${file}`)
    expect(error.message).toContain('likely cause: the file is damaged')
    expect(error.hint).toContain('npm install')
    expect(error.cause).toBeInstanceOf(Error)
    rmSync(file)
    copyFileSync(join(whole, readdirSync(whole)[0]!), file)
    expect(loadAddon(folder, 'linux').live().descriptors).toBe(0)
  })
})
