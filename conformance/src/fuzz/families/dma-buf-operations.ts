import { POLLIN, POLLOUT } from '@linux-dma/native'
import fc from 'fast-check'
import {
  cString,
  DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
  DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
  DMA_BUF_IOCTL_SYNC,
  DMA_BUF_SET_NAME_A,
  DMA_BUF_SET_NAME_B,
} from '../../raw-dma-buf'
import { type Operation, operation } from '../family'
import { CLOSED_DESCRIPTOR } from '../handles'
import { describeBytes } from '../outcome'
import { byte, descriptorOf, index } from './memfd-world'
import { type DmaBufWorld, pollNow, structure } from './udmabuf-world'

const SYNC_IOC_MERGE = 0xc030_3e03
const SYNC_IOC_FILE_INFO = 0xc038_3e04

/** Beginning or end of reading, writing or both; else anything. */
const access = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(1, 2, 3, 5, 6, 7) },
  { weight: 1, arbitrary: fc.constantFrom(0, 4, 8, 0x8000_0001) },
)
/** Reading, writing or both; else anything. */
const usage = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(1, 2, 3) },
  { weight: 1, arbitrary: fc.constantFrom(0, 4, 5, 8, 0x8000_0001) },
)
const buffer = descriptorOf('dma-buf')
const syncFile = descriptorOf('sync file')
/** What is to be 0. */
const zero = fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1)
const place = { offset: fc.nat(20_000), byteLength: fc.integer({ min: 1, max: 5000 }) }

/** What is asked of a dma-buf, and of the sync files that come of it. */
const requests: Record<string, Operation<DmaBufWorld>> = {
  sync: operation(
    fc.record({ fd: buffer, flags: access, high: zero }),
    ({ fd, flags, high }, world) => {
      const { view, bytes } = structure(8)
      view.setUint32(0, flags, true)
      view.setUint32(4, high, true)
      return world.kernel.ioctl(world.fd(fd), DMA_BUF_IOCTL_SYNC, bytes, 'DMA_BUF_IOCTL_SYNC')
    },
    3,
  ),
  setName: operation(
    fc.record({
      fd: buffer,
      name: fc.oneof(
        fc.constantFrom('', 'a', 'x'.repeat(31), 'x'.repeat(32), 'a\nb', 'ü'),
        fc.string({ maxLength: 40 }),
      ),
      wide: fc.boolean(),
    }),
    ({ fd, name, wide }, world) => {
      const bytes = new Uint8Array(Math.max(8, cString(name).length))
      bytes.set(cString(name))
      return world.kernel.ioctl(
        world.fd(fd),
        wide ? DMA_BUF_SET_NAME_B : DMA_BUF_SET_NAME_A,
        bytes,
        'DMA_BUF_SET_NAME',
      )
    },
  ),
  exportSyncFile: operation(fc.record({ fd: buffer, flags: usage }), ({ fd, flags }, world) => {
    const { view, bytes } = structure(8)
    view.setUint32(0, flags, true)
    world.kernel.ioctl(world.fd(fd), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, bytes, 'EXPORT_SYNC_FILE')
    return world.add(view.getInt32(4, true), { kind: 'sync file' })
  }),
  importSyncFile: operation(
    fc.record({ fd: buffer, file: syncFile, flags: usage }),
    ({ fd, file, flags }, world) => {
      const { view, bytes } = structure(8)
      view.setUint32(0, flags, true)
      view.setInt32(4, world.fd(file), true)
      return world.kernel.ioctl(world.fd(fd), DMA_BUF_IOCTL_IMPORT_SYNC_FILE, bytes, 'IMPORT_SYNC_FILE')
    },
  ),
  merge: operation(
    fc.record({
      fd: syncFile,
      file: syncFile,
      flags: zero,
      pad: zero,
    }),
    ({ fd, file, flags, pad }, world) => {
      const { view, bytes } = structure(48)
      view.setInt32(32, world.fd(file), true)
      view.setUint32(40, flags, true)
      view.setUint32(44, pad, true)
      world.kernel.ioctl(world.fd(fd), SYNC_IOC_MERGE, bytes, 'SYNC_IOC_MERGE')
      return world.add(view.getInt32(36, true), { kind: 'sync file' })
    },
    0.5,
  ),
  fileInfo: operation(
    fc.record({ fd: syncFile, flags: zero }),
    ({ fd, flags }, world) => {
      const { view, bytes } = structure(56)
      view.setUint32(36, flags, true)
      world.kernel.ioctl(world.fd(fd), SYNC_IOC_FILE_INFO, bytes, 'SYNC_IOC_FILE_INFO')
      // Status and number of fences. The name has the numbers of the kernel's own contexts in it.
      return [view.getInt32(32, true), view.getUint32(40, true)]
    },
    0.5,
  ),
  poll: operation(
    fc.record({
      fd: descriptorOf('dma-buf', 'sync file'),
      events: fc.constantFrom(POLLIN, POLLOUT, POLLIN | POLLOUT),
    }),
    ({ fd, events }, world) => pollNow(world.kernel, world.fd(fd), events),
    0.5,
  ),
  fdinfo: operation(fc.record({ fd: descriptorOf('dma-buf', 'memory') }), ({ fd }, world) => {
    const own = world.fd(fd)
    if (own === CLOSED_DESCRIPTOR) return 'none'
    const lines = world.kernel.readText(`/proc/self/fdinfo/${own}`).split('\n')
    // Numbers of mounts and files differ from machine to machine.
    return lines.filter((line) => line !== '' && !/^(mnt_id|ino):/.test(line))
  }),
}

/** What a device does that has imported a buffer. */
const devices: Record<string, Operation<DmaBufWorld>> = {
  attach: operation(fc.record({ fd: buffer }), ({ fd }, world) => {
    const own = world.fd(fd)
    const isBuffer =
      own !== CLOSED_DESCRIPTOR && world.kernel.readLink(`/proc/self/fd/${own}`).startsWith('/dmabuf:')
    // What else a driver does with what is no dma-buf is its own matter, and not asked here.
    if (!isBuffer) return 'no dma-buf'
    const importer = world.host.importDmaBuf(own)
    world.importers.add(importer)
    // How a heap's memory lies is chance.
    return importer.size
  }),
  detach: operation(fc.record({ importer: index }), ({ importer }, { importers }) =>
    importers.take(importer)?.detach(),
  ),
  deviceWrite: operation(
    fc.record({ importer: index, ...place, value: byte }),
    ({ importer, offset, byteLength, value }, { importers }) => {
      const device = importers.at(importer)
      if (!device) return 'none'
      const start = offset % device.size
      device.write(start, new Uint8Array(Math.min(byteLength, device.size - start)).fill(value))
      return undefined
    },
  ),
  deviceRead: operation(
    fc.record({ importer: index, ...place }),
    ({ importer, offset, byteLength }, { importers }) => {
      const device = importers.at(importer)
      if (!device) return 'none'
      const start = offset % device.size
      return describeBytes(device.read(start, Math.min(byteLength, device.size - start)))
    },
  ),
}

export const dmaBufOperations: Record<string, Operation<DmaBufWorld>> = { ...requests, ...devices }
