import { O_CLOEXEC, O_RDONLY, O_RDWR, O_WRONLY } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { rawDmaBuf, sync } from '../fixtures/raw-dma-buf'
import { fields, struct } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'
import type { FakeMachineOptions } from '../machine-options'

const page = 4096
const MiB = 0x100000

function opened(options: FakeMachineOptions = {}, name = 'system', byteLength = 4 * MiB) {
  const machine = createFakeMachine(options)
  if (name !== 'system') machine.addHeap(name, { byteLength })
  const { kernel } = machine
  return { machine, kernel, ...rawDmaBuf(kernel), heap: kernel.open(`/dev/dma_heap/${name}`, O_RDWR) }
}

const meminfo = ({ kernel }: ReturnType<typeof opened>, name: string) =>
  Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(kernel.readText('/proc/meminfo'))![1]) * 1024

/* Each row is a line of the recording of a live Linux 6.12 (udmabuf-heap.txt), as far as `Kernel` has a verb for it. */
describe('the system heap, as recorded', () => {
  const { machine, kernel, heap, allocate, info, link, call, sync: doSync } = opened()
  const readOnly = () => allocate(heap, { fdFlags: O_RDONLY })
  const rows: [string, () => unknown, string][] = [
    ['mode', () => machine.stat('/dev/dma_heap/system').mode.toString(8), 'OK(600)'],
    ['alloc 100 bytes', () => info(allocate(heap, { len: 100n })).size, 'OK(4096)'],
    ['fd!=0', () => allocate(heap, { fd: 1 }), 'EINVAL'],
    ['bad fd_flags', () => allocate(heap, { fdFlags: 0o4002 }), 'EINVAL'],
    ['bad heap_flags', () => allocate(heap, { heapFlags: 1n }), 'EINVAL'],
    ['len 0', () => allocate(heap, { len: 0n }), 'EINVAL'],
    ['nr 1', () => kernel.ioctl(heap, 0xc018_4801, new Uint8Array(24)), 'EINVAL'],
    ['mmap RW of O_RDONLY dmabuf', () => kernel.mmap(readOnly(), { byteLength: page }), 'EACCES'],
    ['SYNC END before START', () => doSync(readOnly(), sync.both | sync.end), 'OK(0)'],
    ['exp_name', () => info(readOnly()).exp_name, 'OK(system)'],
    ['link', () => link(readOnly()), 'OK(/dmabuf:)'],
    ['NULL', () => call(heap, 'DMA_HEAP_IOCTL_ALLOC', 0), 'EFAULT'],
    ['len that wraps', () => allocate(heap, { len: (1n << 64n) - 1n }), 'EINVAL'],
    ['ioctl on fd 0', () => allocate(0, {}), 'EBADF'],
    ['read', () => kernel.read(heap, new Uint8Array(1)), 'EINVAL'],
  ]
  for (const [line, run, expected] of rows) {
    it(line, () => {
      expect(outcome(run)).toBe(expected)
    })
  }
})

describe('a heap', () => {
  it('gives zeroed memory, page by page, also where others were before', () => {
    const { kernel, heap, allocate } = opened()
    for (let round = 0; round < 2; round++) {
      const buffers = Array.from({ length: 32 }, () => allocate(heap, { len: BigInt(MiB) }))
      for (const buffer of buffers) {
        using mapping = kernel.mmap(buffer, { byteLength: MiB })
        expect(mapping.bytes.every((byte) => byte === 0)).toBe(true)
        mapping.bytes.fill(0xff)
        kernel.close(buffer)
      }
    }
  })

  it('takes older and newer structures, by the size in the request', () => {
    const { kernel, heap, info } = opened()
    const older = struct(4096n, 0, O_RDWR)
    kernel.ioctl(heap, 0xc010_4800, older)
    expect(info(fields(older).u32(8)).size).toBe('4096')
    const newer = struct(4096n, 0, O_RDWR, 0n, 5n, 6n, 7n)
    kernel.ioctl(heap, 0xc030_4800, newer)
    expect(info(fields(newer).u32(8)).size).toBe('4096')
    expect(fields(newer).u64(40)).toBe(7n)
    expect(outcome(() => kernel.ioctl(heap, 0x4800, 0))).toBe('EINVAL')
  })

  it('gives what the flags say', () => {
    const { kernel, heap, allocate, info } = opened()
    expect(info(allocate(heap, { fdFlags: O_RDWR | O_CLOEXEC })).flags).toBe('02000002')
    expect(info(allocate(heap, { fdFlags: O_RDWR })).flags).toBe('02')
    const writeOnly = allocate(heap, { fdFlags: O_WRONLY })
    expect(outcome(() => kernel.mmap(writeOnly, { byteLength: page, access: 'read' }))).toBe('EACCES')
    expect(outcome(() => kernel.write(writeOnly, new Uint8Array(1)))).toBe('EINVAL')
    const neither = allocate(heap, { fdFlags: 3 })
    expect(info(neither).flags).toBe('03')
    expect(outcome(() => kernel.write(neither, new Uint8Array(1)))).toBe('EBADF')
    expect(outcome(() => kernel.read(neither, new Uint8Array(1)))).toBe('EBADF')
  })

  it('ends at the memory of the machine', () => {
    const all = opened({ memory: 16 * MiB })
    const { kernel, heap, allocate } = all
    expect([meminfo(all, 'MemTotal'), meminfo(all, 'MemAvailable')]).toEqual([16 * MiB, 16 * MiB])
    expect(outcome(() => allocate(heap, { len: 1n << 45n }))).toBe('ENOMEM')
    const buffer = allocate(heap, { len: BigInt(12 * MiB) })
    expect(meminfo(all, 'MemAvailable')).toBe(4 * MiB)
    expect(outcome(() => allocate(heap, { len: BigInt(8 * MiB) }))).toBe('ENOMEM')
    kernel.close(buffer)
    expect(meminfo(all, 'MemAvailable')).toBe(16 * MiB)
  })

  it('gives its memory back where there is no descriptor left', () => {
    const all = opened({ openFileLimit: 4 })
    expect(outcome(() => all.allocate(all.heap, {}))).toBe('EMFILE')
    all.machine.setOpenFileLimit(1024)
    expect(meminfo(all, 'MemAvailable')).toBe(meminfo(all, 'MemTotal'))
  })

  it('has an importer get large pieces first', () => {
    const { machine, heap, allocate } = opened()
    const buffer = allocate(heap, { len: BigInt(MiB + 65536 + 2 * page) })
    expect(machine.importDmaBuf(buffer).segments).toEqual([MiB, 65536, page, page])
  })
})

describe('a heap of contiguous memory', () => {
  it('gives each buffer in one piece, until all is given out', () => {
    const all = opened({}, 'reserved')
    const { machine, kernel, heap, allocate, info } = all
    const [total, available] = [meminfo(all, 'CmaTotal'), meminfo(all, 'MemAvailable')]
    expect([total, meminfo(all, 'CmaFree')]).toEqual([4 * MiB, 4 * MiB])
    const buffer = allocate(heap, { len: BigInt(3 * MiB) })
    expect(info(buffer).exp_name).toBe('reserved')
    expect(machine.importDmaBuf(buffer).segments).toEqual([3 * MiB])
    expect(meminfo(all, 'CmaFree')).toBe(MiB)
    expect(meminfo(all, 'MemAvailable')).toBe(available)
    expect(outcome(() => allocate(heap, { len: BigInt(2 * MiB) }))).toBe('ENOMEM')
    expect(kernel.list('/dev/dma_heap')).toEqual(['reserved', 'system'])
  })

  it('is refused where it makes no sense', () => {
    const { machine } = opened()
    const rows: [string, number][] = [
      ['', page],
      ['a/b', page],
      ['system', page],
      ['x', 0],
      ['x', 100],
    ]
    for (const [name, byteLength] of rows) {
      expect(outcome(() => machine.addHeap(name, { byteLength }))).toBe('DMA_INVALID_ARGUMENT')
    }
  })
})
