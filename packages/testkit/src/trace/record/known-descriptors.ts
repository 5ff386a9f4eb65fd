import type { FileDescriptor, Kernel } from '@linux-dma/native'
import type { RecordedPlace } from './recording-window'

/** What the recorder knows of a descriptor. */
export type KnownDescriptor =
  /** A PCI device under VFIO: regions are at multiples of 2^40. */
  | { readonly kind: 'vfio'; readonly device: string }
  /** `resourceN` of a PCI device. */
  | { readonly kind: 'resource'; readonly device: string; readonly bar: number }
  /** A UIO node. `counted`: interrupts in total when it was read last. */
  | { readonly kind: 'uio'; readonly device: string; readonly name: string; counted: number }

/** A region of a VFIO device's descriptor. */
const REGION = 2 ** 40
/** BARs of a PCI function: further regions are its ROM and its configuration space. */
const BARS = 6

/** What a path that a program opens is, as far as a trace is about it. */
export function describePath(kernel: Kernel, path: string): KnownDescriptor | undefined {
  const resource = /\/([^/]+)\/resource(\d)(?:_wc)?$/.exec(path)
  if (resource) return { kind: 'resource', device: resource[1]!, bar: Number(resource[2]) }
  const uio = /^\/dev\/(uio\d+)$/.exec(path)
  return uio ? describeUio(kernel, uio[1]!) : undefined
}

function describeUio(kernel: Kernel, name: string): KnownDescriptor {
  const device = attempt(() => kernel.readLink(`/sys/class/uio/${name}/device`).split('/').at(-1)) ?? name
  const counted = attempt(() => Number(kernel.readText(`/sys/class/uio/${name}/event`))) ?? 0
  return { kind: 'uio', device, name, counted }
}

/** Which registers a position of a descriptor is; undefined for what are no registers of a BAR. */
export function placeOf(
  kernel: Kernel,
  known: KnownDescriptor | undefined,
  position: number,
): RecordedPlace | undefined {
  if (!known) return undefined
  const { device } = known
  if (known.kind === 'resource') return { device, bar: known.bar, byteOffset: position }
  if (known.kind === 'uio') return uioPlace(kernel, known.name, device, position / kernel.pageSize)
  const bar = Math.floor(position / REGION)
  return bar < BARS ? { device, bar, byteOffset: position % REGION } : undefined
}

/** A map of a UIO device is a BAR where it lies in one. */
function uioPlace(kernel: Kernel, name: string, device: string, map: number): RecordedPlace {
  const address = attempt(() => Number(kernel.readText(`/sys/class/uio/${name}/maps/map${map}/addr`)))
  const lines = attempt(() => kernel.readText(`/sys/class/uio/${name}/device/resource`)) ?? ''
  const bars = lines.split('\n').map((line) => line.split(' ').map(Number))
  const bar = bars.findIndex(([start, end]) => address !== undefined && start! <= address && address <= end!)
  if (address === undefined || bar < 0) return { device, bar: map, byteOffset: 0 }
  const start = address - (address % kernel.pageSize)
  return { device, bar, byteOffset: start - bars[bar]![0]! }
}

/** The descriptor of a device that VFIO_GROUP_GET_DEVICE_FD made of a name. */
export function vfioDevice(argument: Uint8Array): KnownDescriptor {
  const end = argument.indexOf(0)
  const name = new TextDecoder().decode(argument.subarray(0, end < 0 ? undefined : end))
  return { kind: 'vfio', device: name }
}

/** Who listens to what. */
export interface Listener {
  readonly device: string
  readonly vector: number
}

/** Descriptors of the files that a trace is about, and the counters that interrupts come by. */
export class KnownDescriptors {
  readonly files = new Map<FileDescriptor, KnownDescriptor>()
  readonly counters = new Map<FileDescriptor, Listener>()

  /** One descriptor is a copy of another. */
  copy(from: FileDescriptor, to: FileDescriptor): void {
    const file = this.files.get(from)
    if (file) this.files.set(to, file)
    const counter = this.counters.get(from)
    if (counter) this.counters.set(to, counter)
  }

  closed(fd: FileDescriptor): void {
    this.files.delete(fd)
    this.counters.delete(fd)
  }
}

function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    // What sysfs does not tell is left out.
    return undefined
  }
}
