import { F_SEAL_WRITE, O_RDONLY, O_RDWR } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { type Item, rawDmaBuf, sync } from '../fixtures/raw-dma-buf'
import { openByHand } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'
import { EduDevice } from '../models/edu'

const page = 4096
const MiB = 0x100000

function opened() {
  const machine = createFakeMachine({ hugePages: 2 })
  const { kernel } = machine
  const raw = rawDmaBuf(kernel)
  const udmabuf = kernel.open('/dev/udmabuf', O_RDWR)
  const memfd = kernel.memfd('x', { byteLength: 8 * page })
  return { machine, kernel, raw, udmabuf, memfd }
}

it('has limits that root changes, at once', () => {
  const { machine, kernel, raw, udmabuf, memfd } = opened()
  const set = (name: string, value: string) => () =>
    kernel.writeText(`/sys/module/udmabuf/parameters/${name}`, value)
  const items: Item[] = [
    [memfd, 0, page],
    [memfd, 2 * page, page],
  ]
  set('list_limit', '1\n')()
  expect(outcome(() => raw.createList(udmabuf, items))).toBe('EINVAL')
  set('list_limit', '0x2')()
  expect(outcome(() => raw.createList(udmabuf, items))).toMatch(/^OK/)
  set('list_limit', '-1')()
  expect(outcome(() => raw.createList(udmabuf, items))).toMatch(/^OK/)
  set('size_limit_mb', '0')()
  expect(outcome(() => raw.create(udmabuf, [memfd, 0, page]))).toBe('EINVAL')
  set('size_limit_mb', '-1')()
  expect(outcome(() => raw.create(udmabuf, [memfd, 0, page]))).toMatch(/^OK/)
  expect(outcome(set('list_limit', 'many'))).toBe('EINVAL')
  expect(outcome(set('list_limit', '2147483648'))).toBe('ERANGE')
  set('list_limit', '010')()
  expect(kernel.readText('/sys/module/udmabuf/parameters/list_limit')).toBe('8\n')
  machine.setUid(1000)
  expect(outcome(set('list_limit', '1'))).toBe('EACCES')
})

it('belongs to root', () => {
  const { machine, kernel } = opened()
  machine.setUid(1000)
  expect(outcome(() => kernel.open('/dev/udmabuf', O_RDWR))).toBe('EACCES')
  machine.chown('/dev/udmabuf', 1000)
  expect(outcome(() => kernel.open('/dev/udmabuf', O_RDONLY))).toMatch(/^OK/)
})

it('leaves nothing behind where one item of a list is bad', () => {
  const { machine, kernel, raw, udmabuf, memfd } = opened()
  const bad: [Item, string][] = [
    [[memfd, 8 * page, page], 'EINVAL'],
    [[memfd, 0, 0], 'EINVAL'],
    [[memfd, 0, 64 * MiB], 'EINVAL'],
    [[udmabuf, 0, page], 'EBADFD'],
    [[99, 0, page], 'EBADFD'],
  ]
  const { descriptors } = kernel.live()
  for (const [item, expected] of bad) {
    expect(outcome(() => raw.createList(udmabuf, [[memfd, 0, page], item]))).toBe(expected)
  }
  machine.setOpenFileLimit(3 + descriptors)
  expect(outcome(() => raw.create(udmabuf, [memfd, 0, page]))).toBe('EMFILE')
  expect(kernel.live().descriptors).toBe(descriptors)
  // No page stays pinned.
  expect(outcome(() => kernel.addSeals(memfd, F_SEAL_WRITE))).toBe('OK(0)')
})

it('looks at all sizes before it looks at any memfd', () => {
  const { raw, udmabuf } = opened()
  const items: Item[] = [
    [99, 0, page],
    [99, 0, page + 1],
  ]
  expect(outcome(() => raw.createList(udmabuf, items))).toBe('EINVAL')
  expect(outcome(() => raw.createList(udmabuf, [[99, 0, page]]))).toBe('EBADFD')
})

it('reads as many items as the head says', () => {
  const { raw, udmabuf, memfd } = opened()
  expect(outcome(() => raw.createList(udmabuf, [[memfd, 0, page]], 0, 2))).toBe('EFAULT')
})

it('takes whole pages of the file, not what lies beyond its last byte', () => {
  const { kernel, raw, udmabuf } = opened()
  const short = kernel.memfd('short', { byteLength: page + 100 })
  expect(outcome(() => raw.create(udmabuf, [short, 0, page]))).toMatch(/^OK/)
  expect(outcome(() => raw.create(udmabuf, [short, 0, 2 * page]))).toBe('EINVAL')
})

it('takes huge pages from the pool for a memfd that nobody has used', () => {
  const { kernel, raw, udmabuf } = opened()
  const huge = kernel.memfd('huge', { byteLength: 4 * MiB, hugePageSize: 2 * MiB })
  const more = kernel.memfd('more', { byteLength: 2 * MiB, hugePageSize: 2 * MiB })
  const pool = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages'
  expect(outcome(() => raw.create(udmabuf, [huge, 2 * MiB - page, 2 * page]))).toMatch(/^OK/)
  expect(kernel.readText(pool)).toBe('0\n')
  expect(outcome(() => raw.create(udmabuf, [more, 0, page]))).toBe('ENOMEM')
  for (const fd of kernel.list('/proc/self/fd').map(Number)) if (fd !== udmabuf) kernel.close(fd)
  const larger = kernel.memfd('larger', { byteLength: 6 * MiB, hugePageSize: 2 * MiB })
  expect(outcome(() => raw.create(udmabuf, [larger, 0, 6 * MiB]))).toBe('ENOMEM')
  expect(kernel.readText(pool)).toBe('0\n')
  kernel.close(larger)
  expect(kernel.readText(pool)).toBe('2\n')
})

it('makes buffers whose inodes differ, and which are closed on exec where that was asked for', () => {
  const { raw, udmabuf, memfd } = opened()
  const [first, second] = [0, 1].map((flags) => raw.info(raw.create(udmabuf, [memfd, 0, page], flags)))
  expect(first!.flags).toBe('02')
  expect(second!.flags).toBe('02000002')
  expect(Number(second!.ino)).toBe(Number(first!.ino) + 1)
})

it('counts who has the buffer', () => {
  const { kernel, raw, udmabuf, memfd } = opened()
  const buffer = raw.create(udmabuf, [memfd, 0, page])
  const count = () => raw.info(buffer).count
  expect(count()).toBe('1')
  const mapping = kernel.mmap(buffer, { byteLength: page })
  const [left, right] = kernel.socketPair()
  kernel.sendMessage(left, new Uint8Array(1), [buffer])
  expect(count()).toBe('3')
  const { descriptors } = kernel.receiveMessage(right, new Uint8Array(1))
  mapping.close()
  expect(count()).toBe('2')
  kernel.close(buffer)
  expect(raw.info(descriptors[0]!).count).toBe('1')
})

it('gives names that fdinfo and the link show', () => {
  const { kernel, raw, udmabuf, memfd } = opened()
  const buffer = raw.create(udmabuf, [memfd, 0, page])
  expect(raw.link(buffer)).toBe('/dmabuf:')
  expect(raw.info(buffer).name).toBeUndefined()
  expect(outcome(() => raw.call(buffer, 'DMA_BUF_SET_NAME_A', 0))).toBe('EFAULT')
  raw.call(buffer, 'DMA_BUF_SET_NAME_A', new TextEncoder().encode('frame 1\0'))
  expect([raw.link(buffer), raw.info(buffer).name]).toEqual(['/dmabuf:frame 1', 'frame 1'])
  raw.setName(buffer, '')
  expect([raw.link(buffer), raw.info(buffer).name]).toEqual(['/dmabuf:', ''])
  expect(outcome(() => kernel.open(`/proc/self/fd/${buffer}`, O_RDWR))).toBe('ENXIO')
})

it('has pages that cannot be pinned again, nor mapped for a device, nor found', () => {
  const { machine, kernel, raw, udmabuf, memfd } = opened()
  const edu = machine.addDevice(new EduDevice())
  const { map, container } = openByHand(machine, edu.address)
  const buffer = raw.create(udmabuf, [memfd, 0, page])
  using mapping = kernel.mmap(buffer, { byteLength: page })
  expect(outcome(() => map(container, mapping.address, 0x10_0000n, 4096n))).toBe('EFAULT')
  expect(outcome(() => kernel.pin(mapping))).toBe('EFAULT')
  const entries = new BigUint64Array(1)
  kernel.readPagemap(mapping.address, entries)
  expect(entries[0]).toBe(0n)
})

it('leaves nothing after ten thousand buffers of pieces', () => {
  const { machine, kernel, raw, udmabuf, memfd } = opened()
  for (let i = 0; i < 10_000; i++) {
    const buffer = raw.createList(udmabuf, [
      [memfd, 4 * page, page],
      [memfd, 0, page],
    ])
    const mapping = kernel.mmap(buffer, { byteLength: 2 * page })
    mapping.bytes[0] = i
    raw.sync(buffer, sync.both)
    mapping.close()
    kernel.close(buffer)
  }
  kernel.close(memfd)
  kernel.close(udmabuf)
  machine.assertQuiescent()
})
