import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { directory, textFile } from '../fs/nodes'
import { MMAP_AUTO } from './abi'
import type { UDmaBuffer } from './buffer'

/** The first of the numbers that Linux gives out by itself to kinds of devices. */
const major = 244
const MOST = 0xffff_ffff_ffff_ffffn

type Attribute = [name: string, read: () => unknown, write?: (value: bigint) => void, largest?: bigint]

/** Where the driver's device is that belongs to a buffer. */
export function parentPath(minor: number): string {
  return `/sys/devices/platform/u-dma-buf.${minor}`
}

/** Puts a buffer into its class. */
export function putUDmaBuf(fs: FileSystem, buffer: UDmaBuffer, minor: number): void {
  const { name, className } = buffer.options
  const path = `${parentPath(minor)}/${className}/${name}`
  for (const [attribute, read, write, largest = MOST] of attributesOf(buffer)) {
    const store = write && ((text: string) => write(parseNumber(text, largest)))
    fs.put(
      `${path}/${attribute}`,
      textFile(() => `${read()}\n`, store, store ? 0o664 : 0o444),
    )
  }
  fs.put(
    `${path}/dev`,
    textFile(() => `${major}:${minor}\n`),
  )
  fs.put(
    `${path}/uevent`,
    textFile(() => `MAJOR=${major}\nMINOR=${minor}\nDEVNAME=${name}\n`, undefined, 0o644),
  )
  fs.put(`${path}/power`, directory())
  fs.link(`${path}/device`, parentPath(minor))
  fs.link(`${path}/subsystem`, `/sys/class/${className}`)
  fs.link(`/sys/class/${className}/${name}`, path)
}

/** Takes it out again. */
export function removeUDmaBuf(
  fs: FileSystem,
  { options: { name, className } }: UDmaBuffer,
  minor: number,
): void {
  fs.remove(`/sys/class/${className}/${name}`)
  fs.remove(`${parentPath(minor)}/${className}`)
}

function attributesOf(buffer: UDmaBuffer): Attribute[] {
  const { sync, options } = buffer
  const { ioctlVersion } = options
  // What the driver writes into the kernel's log: nothing here.
  const debug = { vma: 0n, export: 0n }
  const all: Attribute[] = [
    ['driver_version', () => options.driverVersion],
    ['size', () => options.size],
    ['phys_addr', () => `0x${buffer.dmaAddress.toString(16).padStart(16, '0')}`],
    ['sync_mode', () => sync.mode, (value) => sync.assign({ mode: Number(value) }), 7n],
    ['sync_offset', () => `0x${sync.offset.toString(16)}`, (offset) => sync.assign({ offset })],
    ['sync_size', () => sync.size, (size) => sync.assign({ size })],
    ['sync_direction', () => sync.direction, (value) => sync.assign({ direction: Number(value) }), 2n],
    ['sync_owner', () => (sync.owner === 'device' ? 1 : 0)],
    ['sync_for_cpu', () => sync.forCpu, (word) => sync.syncForCpu(word)],
    ['sync_for_device', () => sync.forDevice, (word) => sync.syncForDevice(word)],
    ['quirk_mmap_mode', () => MMAP_AUTO],
    ['dma_coherent', () => (options.dmaCoherent ? 1 : 0)],
    ['debug_vma', () => debug.vma, (value) => Object.assign(debug, { vma: value }), 3n],
    ['debug_export', () => debug.export, (value) => Object.assign(debug, { export: value }), 1n],
  ]
  return ioctlVersion === 0 ? all : [...all, ['ioctl_version', () => ioctlVersion]]
}

/** As kstrtoull() reads it: decimal, octal behind 0, hexadecimal behind 0x; one line. */
function parseNumber(text: string, largest: bigint): bigint {
  const match = /^\+?(0x[\da-f]+|0[0-7]*|[1-9]\d*)\n?$/i.exec(text)
  if (match === null) return fail('EINVAL', 'write a number')
  const digits = match[1]!
  const value = BigInt(/^0\d/.test(digits) ? `0o${digits.slice(1)}` : digits)
  if (value > MOST) fail('ERANGE', 'the number has more than 64 bits')
  return value > largest ? fail('EINVAL', `the largest is ${largest}`) : value
}
