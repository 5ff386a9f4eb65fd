import { O_RDWR, POLLIN, POLLOUT } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { rawDmaBuf, sync, text } from '../fixtures/raw-dma-buf'
import { struct } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'

const page = 4096
const EIO = 5

function shared() {
  const machine = createFakeMachine()
  const { kernel } = machine
  const raw = rawDmaBuf(kernel)
  const udmabuf = kernel.open('/dev/udmabuf', O_RDWR)
  const memfd = kernel.memfd('x', { byteLength: 4 * page })
  const buffer = raw.create(udmabuf, [memfd, 0, 2 * page])
  const device = machine.importDmaBuf(buffer, { name: 'display' })
  /** What is ready before time goes on: 0 for nothing. */
  const polled = async (fd: number, events: number) => {
    const controller = new AbortController()
    const ready = kernel.poll(fd, events, { signal: controller.signal }).catch(() => 0)
    await machine.clock.sleep(1)
    controller.abort()
    return ready
  }
  return { machine, kernel, raw, memfd, buffer, device, polled, udmabuf }
}

describe('fences of a buffer', () => {
  it('of a device that reads hold back writing', async () => {
    const { buffer, device, polled } = shared()
    const fence = device.addFence('read')
    expect(await polled(buffer, POLLIN | POLLOUT)).toBe(POLLIN)
    expect(await polled(buffer, POLLOUT)).toBe(0)
    fence.signal()
    expect(await polled(buffer, POLLIN | POLLOUT)).toBe(POLLIN | POLLOUT)
  })

  it('of a device that writes hold back everybody', async () => {
    const { buffer, device, polled } = shared()
    const fence = device.addFence('write')
    expect(await polled(buffer, POLLIN | POLLOUT)).toBe(0)
    fence.signal(EIO)
    expect(await polled(buffer, POLLIN | POLLOUT)).toBe(POLLIN | POLLOUT)
  })

  it('wake who waits', async () => {
    const { machine, kernel, buffer, device } = shared()
    const fence = device.addFence('write')
    machine.clock.schedule(16, () => fence.signal())
    expect(await kernel.poll(buffer, POLLIN)).toBe(POLLIN)
    expect(machine.clock.now()).toBe(16)
  })

  it('make SYNC wait until they are signalled', () => {
    const { machine, raw, buffer, device } = shared()
    const fence = device.addFence('read')
    expect(outcome(() => raw.sync(buffer, sync.read))).toBe('OK(0)')
    machine.clock.schedule(16, () => fence.signal())
    expect(outcome(() => raw.sync(buffer, sync.both))).toBe('OK(0)')
    expect(machine.clock.now()).toBe(16)
  })

  it('that nothing signals make SYNC fail where Linux would hang', () => {
    const { raw, buffer, device } = shared()
    device.addFence('write')
    expect(() => raw.sync(buffer, sync.read)).toThrow(/fence fake-display1-1.*\n.*waitForCpuAccess/)
    expect(outcome(() => raw.sync(buffer, sync.read))).toBe('DMA_WOULD_BLOCK')
    expect(outcome(() => raw.sync(buffer, sync.read | sync.end))).toBe('OK(0)')
  })
})

describe('sync files', () => {
  it('of an idle buffer are over', async () => {
    const { kernel, raw, buffer } = shared()
    const file = raw.exportSyncFile(buffer, sync.read)
    expect(await kernel.poll(file, POLLIN | POLLOUT)).toBe(POLLIN)
    expect(raw.syncFileInfo(file)).toEqual({ name: 'stub-stub0-0', status: 1, fences: 1 })
    expect(raw.link(file)).toBe('anon_inode:sync_file')
    expect(raw.info(file).flags).toBe('02000000')
  })

  it('hold what is pending, by the access', () => {
    const { raw, buffer, device } = shared()
    const reads = device.addFence('read')
    expect(raw.syncFileInfo(raw.exportSyncFile(buffer, sync.read)).status).toBe(1)
    const file = raw.exportSyncFile(buffer, sync.write)
    expect(raw.syncFileInfo(file)).toEqual({ name: 'fake-display1-1', status: 0, fences: 1 })
    reads.signal()
    expect(raw.syncFileInfo(file).status).toBe(1)
  })

  it('tell of errors', async () => {
    const { kernel, raw, buffer, device } = shared()
    const [reads, writes] = [device.addFence('read'), device.addFence('write')]
    const file = raw.exportSyncFile(buffer, sync.both)
    expect(raw.syncFileInfo(file)).toEqual({ name: 'dma_fence_array-unbound3-1', status: 0, fences: 2 })
    const waiting = kernel.poll(file, POLLIN)
    reads.signal()
    writes.signal(-EIO)
    expect(await waiting).toBe(POLLIN)
    expect(raw.syncFileInfo(file).status).toBe(-EIO)
  })

  it('of several fences forget the errors that nobody waited for, as the kernel does', () => {
    const { kernel, raw, buffer, device } = shared()
    const fences = [device.addFence('read'), device.addFence('write')]
    const file = raw.exportSyncFile(buffer, sync.both)
    for (const fence of fences) fence.signal(EIO)
    expect(raw.syncFileInfo(file).status).toBe(1)
    using room = kernel.mmap(kernel.memfd('infos', { byteLength: page }), { byteLength: page })
    expect(raw.syncFileInfo(file, 2, room.address)).toMatchObject({ status: -EIO, fences: 2 })
    expect(text(room.bytes.subarray(80, 112))).toBe('display')
    expect(text(room.bytes.subarray(112, 144))).toBe('fake')
  })

  it('hold back a buffer that they are imported into', async () => {
    const { kernel, raw, buffer, device, polled, memfd, udmabuf } = shared()
    const fence = device.addFence('write')
    const other = raw.create(udmabuf, [memfd, 2 * page, page])
    const file = raw.exportSyncFile(buffer, sync.both)
    raw.importSyncFile(other, sync.write, file)
    kernel.close(file)
    expect(await polled(other, POLLIN)).toBe(0)
    fence.signal()
    expect(await polled(other, POLLIN)).toBe(POLLIN)
  })

  it('are merged, with a name', async () => {
    const { raw, buffer, device, kernel } = shared()
    const first = device.addFence('write')
    const a = raw.exportSyncFile(buffer, sync.both)
    const second = device.addFence('write')
    const b = raw.exportSyncFile(buffer, sync.both)
    const both = raw.mergeSyncFiles(a, b, 'frame')
    expect(raw.syncFileInfo(both)).toEqual({ name: 'frame', status: 0, fences: 2 })
    first.signal()
    expect(raw.syncFileInfo(raw.mergeSyncFiles(a, b, ''))).toMatchObject({ status: 0, fences: 1 })
    second.signal()
    expect(await kernel.poll(both, POLLIN)).toBe(POLLIN)
    expect(raw.syncFileInfo(raw.mergeSyncFiles(a, b, ''))).toEqual({
      name: 'stub-stub0-0',
      status: 1,
      fences: 1,
    })
  })

  it('refuse as Linux', () => {
    const { kernel, raw, buffer, memfd, device } = shared()
    for (let i = 0; i < 2; i++) device.addFence('read')
    const file = raw.exportSyncFile(buffer, sync.both)
    const info =
      (...words: (number | bigint)[]) =>
      () =>
        raw.call(file, 'SYNC_IOC_FILE_INFO', struct(0n, 0n, 0n, 0n, ...words))
    const rows: [string, () => unknown, string][] = [
      ['read', () => kernel.read(file, new Uint8Array(1)), 'EINVAL'],
      ['write', () => kernel.write(file, new Uint8Array(1)), 'EBADF'],
      ['mmap', () => kernel.mmap(file, { byteLength: page, access: 'read' }), 'ENODEV'],
      ['unknown request', () => kernel.ioctl(file, 0xc0303e07, new Uint8Array(48)), 'ENOTTY'],
      ['merge NULL', () => raw.call(file, 'SYNC_IOC_MERGE', 0), 'EFAULT'],
      ['merge with a memfd', () => raw.mergeSyncFiles(file, memfd, 'x'), 'ENOENT'],
      [
        'merge flags',
        () => raw.call(file, 'SYNC_IOC_MERGE', struct(0n, 0n, 0n, 0n, file, 0, 1, 0)),
        'EINVAL',
      ],
      ['info flags', info(0, 1, 0, 0, 0n), 'EINVAL'],
      ['info pad', info(0, 0, 0, 1, 0n), 'EINVAL'],
      ['info with room for one', info(0, 0, 1, 0, 0n), 'EINVAL'],
      ['info to nowhere', info(0, 0, 2, 0, 0n), 'EFAULT'],
      ['deadline', () => raw.call(file, 'SYNC_IOC_SET_DEADLINE', struct(5n, 0n)), 'OK(0)'],
      ['deadline pad', () => raw.call(file, 'SYNC_IOC_SET_DEADLINE', struct(5n, 1n)), 'EINVAL'],
      ['open once more', () => kernel.open(`/proc/self/fd/${file}`, 0), 'ENXIO'],
      ['export unknown flags', () => raw.exportSyncFile(buffer, 4), 'EINVAL'],
      ['import unknown flags', () => raw.importSyncFile(buffer, 7, file), 'EINVAL'],
      ['import of nothing', () => raw.importSyncFile(buffer, sync.write, -1), 'EINVAL'],
      ['export NULL', () => raw.call(buffer, 'DMA_BUF_IOCTL_EXPORT_SYNC_FILE', 0), 'EFAULT'],
    ]
    expect(rows.map(([line, run]) => [line, outcome(run)])).toEqual(
      rows.map(([line, , expected]) => [line, expected]),
    )
  })

  it('are made of nothing where no descriptor is left', () => {
    const { machine, kernel, raw, buffer } = shared()
    const { descriptors } = kernel.live()
    machine.setOpenFileLimit(3 + descriptors)
    expect(outcome(() => raw.exportSyncFile(buffer, sync.read))).toBe('EMFILE')
    expect(kernel.live().descriptors).toBe(descriptors)
  })
})

describe('an importing device', () => {
  it('sees the bytes, and the program those of the device', () => {
    const { kernel, raw, memfd, udmabuf, machine } = shared()
    const list = raw.createList(udmabuf, [
      [memfd, 3 * page, page],
      [memfd, 0, page],
    ])
    using mapping = kernel.mmap(list, { byteLength: 2 * page })
    const device = machine.importDmaBuf(list)
    mapping.bytes[page] = 1
    expect(device.bytes[page]).toBe(1)
    device.bytes[0] = 2
    const fence = device.addFence('write')
    fence.signal()
    expect(mapping.bytes[0]).toBe(2)
    expect(device.segments).toEqual([page, page])
    const read = new Uint8Array(1)
    kernel.read(memfd, read, 3 * page)
    expect(read[0]).toBe(2)
  })

  it('keeps the buffer until it gives it back', () => {
    const { machine, kernel, raw, memfd, buffer, device, udmabuf } = shared()
    expect(raw.info(buffer).count).toBe('2')
    kernel.close(buffer)
    device.bytes[0] = 3
    expect(outcome(() => kernel.addSeals(memfd, 8))).toBe('EBUSY')
    device.detach()
    device.detach()
    expect(outcome(() => kernel.addSeals(memfd, 8))).toBe('OK(0)')
    expect(outcome(() => device.bytes)).toBe('DMA_INVALID_ARGUMENT')
    for (const fd of [memfd, udmabuf]) kernel.close(fd)
    machine.assertQuiescent()
  })

  it('is given dma-bufs alone', () => {
    const { machine, memfd, device } = shared()
    expect(outcome(() => machine.importDmaBuf(memfd))).toBe('EINVAL')
    expect(outcome(() => machine.importDmaBuf(99))).toBe('EBADF')
    expect(outcome(() => device.addFence('both' as 'read'))).toBe('DMA_INVALID_ARGUMENT')
    expect(outcome(() => device.addFence('read').signal(5000))).toBe('DMA_INVALID_ARGUMENT')
  })
})

it('tells of buffers and sync files that are left', () => {
  const { machine, kernel, raw, buffer } = shared()
  const file = raw.exportSyncFile(buffer, sync.read)
  expect(() => machine.assertQuiescent()).toThrow(
    new RegExp(`descriptor ${buffer} of dma-buf 1 of udmabuf.*\n.*descriptor ${file} of sync_file`),
  )
  kernel.close(file)
})
