import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { thrownBy } from '../test-support/errors'
import { F_SEAL_WRITE, O_RDONLY, O_RDWR } from './constants'
import { linuxKernel } from './linux-kernel'
import type { MmapOptions } from './memory-mapping'

const kernel = linuxKernel()
const PAGE = kernel.pageSize

function withMemory(byteLength: number, use: (fd: number) => void): void {
  const before = kernel.live()
  const fd = kernel.memfd('memory', { byteLength })
  try {
    use(fd)
  } finally {
    kernel.close(fd)
  }
  expect(kernel.live()).toEqual(before)
}

/** The line of this process's memory map that begins at an address. */
function mapLine(address: number): string | undefined {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`${address.toString(16).padStart(8, '0')}-`))
}

describe('mmap', () => {
  it('shares the file: two mappings are the same bytes', () => {
    withMemory(4 * PAGE, (fd) => {
      const whole = kernel.mmap(fd, { byteLength: 4 * PAGE })
      const part = kernel.mmap(fd, { byteLength: 100, position: 2 * PAGE })
      expect([whole.byteLength, part.byteLength, part.bytes.byteLength]).toEqual([4 * PAGE, 100, 100])
      whole.bytes[2 * PAGE + 7] = 9
      expect(part.bytes[7]).toBe(9)
      expect(whole.address % PAGE).toBe(0)
      expect(mapLine(whole.address)).toContain('rw-s')
      expect(kernel.live()).toMatchObject({ mappings: 2, mappedBytes: 4 * PAGE + 100 })
      whole.close()
      expect(part.bytes[7]).toBe(9)
      part.close()
    })
  })

  it('keeps the mapping out of forked children', () => {
    withMemory(PAGE, (fd) => {
      using mapping = kernel.mmap(fd, { byteLength: PAGE })
      const smaps = readFileSync('/proc/self/smaps', 'utf8')
      const entry = smaps.slice(smaps.indexOf(`${mapping.address.toString(16)}-`))
      expect(/VmFlags:.*/.exec(entry)?.[0]).toContain(' dc')
    })
  })

  it('maps for reading where asked, also a file that is sealed against writing', () => {
    withMemory(PAGE, (fd) => {
      kernel.addSeals(fd, F_SEAL_WRITE)
      const error = thrownBy(() => kernel.mmap(fd, { byteLength: PAGE }))
      expect(error).toMatchObject({ code: 'EPERM', syscall: 'mmap' })
      expect(error.hint).toContain("access: 'read'")
      using mapping = kernel.mmap(fd, { byteLength: PAGE, access: 'read' })
      expect(mapLine(mapping.address)).toContain('r--s')
      expect(mapping.bytes[0]).toBe(0)
    })
  })

  it('refuses a range past the end, where a read would end the process', () => {
    withMemory(PAGE + 1, (fd) => {
      kernel.mmap(fd, { byteLength: 2 * PAGE }).close()
      for (const options of [{ byteLength: 2 * PAGE + 1 }, { byteLength: 1, position: 2 * PAGE }]) {
        expect(thrownBy(() => kernel.mmap(fd, options)).code).toBe('DMA_BEYOND_END')
        expect(thrownBy(() => kernel.mapRegisters(fd, options)).code).toBe('DMA_BEYOND_END')
      }
      const far = { byteLength: 1, position: Math.floor((Number.MAX_SAFE_INTEGER - PAGE) / PAGE) * PAGE }
      expect(thrownBy(() => kernel.mmap(fd, far)).code).toBe('DMA_BEYOND_END')
    })
  })

  it('refuses a file that can shrink', () => {
    const folder = mkdtempSync(join(tmpdir(), 'linux-dma-'))
    const path = join(folder, 'file')
    writeFileSync(path, Buffer.alloc(PAGE))
    const fd = kernel.open(path, O_RDWR)
    const error = thrownBy(() => kernel.mmap(fd, { byteLength: PAGE }))
    expect(error.code).toBe('DMA_UNSEALED')
    expect(error.hint).toContain('F_SEAL_SHRINK')
    kernel.close(fd)
    rmSync(folder, { recursive: true })
  })

  it('says why a file cannot be mapped', () => {
    const eventfd = kernel.eventfd()
    expect(thrownBy(() => kernel.mmap(eventfd, { byteLength: PAGE })).code).toBe('ENODEV')
    kernel.close(eventfd)
    expect(thrownBy(() => kernel.mmap(eventfd, { byteLength: PAGE })).code).toBe('EBADF')
    withMemory(PAGE, (fd) => {
      const reader = kernel.open(`/proc/self/fd/${fd}`, O_RDONLY)
      const error = thrownBy(() => kernel.mmap(reader, { byteLength: PAGE }))
      expect(error).toMatchObject({ code: 'EACCES', syscall: 'mmap' })
      expect(error.hint).toContain('O_RDWR')
      kernel.close(reader)
    })
  })

  it.each<[string, unknown]>([
    ['no options', undefined],
    ['null', null],
    ['no length', {}],
    ['length 0', { byteLength: 0 }],
    ['a negative length', { byteLength: -1 }],
    ['a fraction', { byteLength: 1.5 }],
    ['NaN', { byteLength: NaN }],
    ['a bigint', { byteLength: 1n }],
    ['an unsafe length', { byteLength: 2 ** 53 }],
    ['an odd position', { byteLength: 1, position: 1 }],
    ['a negative position', { byteLength: 1, position: -PAGE }],
    ['an overflow', { byteLength: Number.MAX_SAFE_INTEGER, position: PAGE }],
    ['an unknown access', { byteLength: 1, access: 'write' }],
    ['an unknown option', { byteLength: 1, offset: 0 }],
  ])('refuses %s', (_, options) => {
    withMemory(PAGE, (fd) => {
      expect(thrownBy(() => kernel.mmap(fd, options as MmapOptions)).code).toBe('DMA_INVALID_ARGUMENT')
      expect(thrownBy(() => kernel.mapRegisters(fd, options as MmapOptions)).code).toBe(
        'DMA_INVALID_ARGUMENT',
      )
    })
  })

  it('reads each option once', () => {
    withMemory(PAGE, (fd) => {
      let reads = 0
      const options = {
        get byteLength() {
          return ++reads === 1 ? PAGE : 2 ** 40
        },
      }
      using mapping = kernel.mmap(fd, options)
      expect([mapping.byteLength, reads]).toEqual([PAGE, 1])
    })
  })
})

describe('closing a mapping', () => {
  it('gives the addresses back at once where no view was made', () => {
    withMemory(PAGE, (fd) => {
      const mapping = kernel.mmap(fd, { byteLength: PAGE })
      const { address } = mapping
      mapping.close()
      expect(mapLine(address) ?? '').not.toContain('memfd')
      expect(mapping.closed).toBe(true)
      expect(thrownBy(() => mapping.bytes).code).toBe('DMA_CLOSED')
      mapping.close()
      mapping[Symbol.dispose]()
    })
  })

  it('parks the pages under a view: it reads zeros, what it writes it sees alone, and the file is let go', () => {
    withMemory(2 * PAGE, (fd) => {
      const mapping = kernel.mmap(fd, { byteLength: 2 * PAGE })
      const { bytes, address } = mapping
      bytes.fill(7)
      mapping.close()
      expect(bytes.byteLength).toBe(2 * PAGE)
      expect(bytes.every((byte) => byte === 0)).toBe(true)
      bytes.fill(3)
      expect(bytes.every((byte) => byte === 3)).toBe(true)
      expect(mapLine(address) ?? '').not.toContain('memfd')
      using again = kernel.mmap(fd, { byteLength: 2 * PAGE })
      expect(again.bytes.every((byte) => byte === 7)).toBe(true)
      expect(again.address).not.toBe(address)
    })
  })

  it('detaches the buffer where asked', () => {
    withMemory(PAGE, (fd) => {
      const mapping = kernel.mmap(fd, { byteLength: PAGE })
      const { bytes } = mapping
      mapping.close({ detach: true })
      expect([bytes.byteLength, bytes[0]]).toEqual([0, undefined])
      bytes[0] = 1
      expect(() => new DataView(bytes.buffer)).toThrow(TypeError)
      const unseen = kernel.mmap(fd, { byteLength: PAGE })
      unseen.close({ detach: true })
      expect(thrownBy(() => unseen.close({ detatch: true } as object)).code).toBe('DMA_INVALID_ARGUMENT')
    })
  })

  it('is safe where someone else has detached or moved the buffer', () => {
    withMemory(PAGE, (fd) => {
      const mapping = kernel.mmap(fd, { byteLength: PAGE })
      const { buffer } = mapping.bytes
      const moved = (buffer as ArrayBuffer & { transfer?: () => ArrayBuffer }).transfer?.() ?? buffer
      mapping.close({ detach: true })
      if (moved !== buffer) expect(new Uint8Array(moved as ArrayBuffer)[0]).toBe(0)
    })
  })

  it('never sends the memory itself to another thread', () => {
    withMemory(PAGE, (fd) => {
      using mapping = kernel.mmap(fd, { byteLength: PAGE })
      const { bytes } = mapping
      const { port1, port2 } = new MessageChannel()
      try {
        port1.postMessage(bytes, [bytes.buffer as ArrayBuffer])
      } catch (error) {
        expect((error as Error).name).toBe('DataCloneError')
      }
      port1.close()
      port2.close()
      bytes[0] = 5
      expect(bytes[0]).toBe(5)
      expect(bytes.byteLength).toBe(PAGE)
    })
  })
})

describe('mlock', () => {
  it('locks parts and the whole, and unlocks them', () => {
    withMemory(4 * PAGE, (fd) => {
      using mapping = kernel.mmap(fd, { byteLength: 4 * PAGE })
      kernel.mlock(mapping)
      kernel.mlock(mapping, PAGE, PAGE)
      kernel.munlock(mapping, 0, 10)
      kernel.munlock(mapping)
    })
  })

  it('refuses what is no part of an open mapping', () => {
    withMemory(PAGE, (fd) => {
      const mapping = kernel.mmap(fd, { byteLength: PAGE })
      const ranges: [number, number?][] = [[-1], [PAGE + 1], [1, PAGE], [0, PAGE + 1], [0.5], [NaN, 1]]
      for (const range of ranges) {
        expect(thrownBy(() => kernel.mlock(mapping, ...range)).code).toBe('DMA_INVALID_ARGUMENT')
      }
      mapping.close()
      expect(thrownBy(() => kernel.mlock(mapping)).code).toBe('DMA_CLOSED')
      expect(thrownBy(() => kernel.munlock(mapping)).code).toBe('DMA_CLOSED')
      expect(thrownBy(() => kernel.mlock({ ...mapping } as typeof mapping)).code).toBe('DMA_INVALID_ARGUMENT')
    })
  })
})

describe('readPagemap', () => {
  it('has one entry for each page, present once it was touched', () => {
    withMemory(4 * PAGE, (fd) => {
      using mapping = kernel.mmap(fd, { byteLength: 4 * PAGE })
      mapping.bytes[PAGE] = 1
      const entries = new BigUint64Array(6)
      const before = kernel.live().descriptors
      expect(kernel.readPagemap(mapping.address, entries.subarray(1, 5))).toBe(4)
      expect(kernel.live().descriptors).toBe(before)
      expect([...entries].map((entry) => entry >> 63n)).toEqual([0n, 0n, 1n, 0n, 0n, 0n])
      expect(kernel.readPagemap(mapping.address, new BigUint64Array(0))).toBe(0)
    })
  })

  it('refuses what is no address and no place for entries', () => {
    for (const address of [-1, 0.5, 2 ** 53, 1n]) {
      expect(thrownBy(() => kernel.readPagemap(address as number, new BigUint64Array(1))).code).toBe(
        'DMA_INVALID_ARGUMENT',
      )
    }
    for (const entries of [new Uint8Array(8), new BigUint64Array(new SharedArrayBuffer(8)), undefined]) {
      expect(thrownBy(() => kernel.readPagemap(0, entries as BigUint64Array)).code).toBe(
        'DMA_INVALID_ARGUMENT',
      )
    }
  })
})
