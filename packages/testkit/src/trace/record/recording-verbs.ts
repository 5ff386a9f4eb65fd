import type {
  FileDescriptor,
  Kernel,
  MmapOptions,
  RegisterWindow,
  Watch,
  WatchListener,
} from '@linux-dma/native'
import {
  VFIO_DEVICE_SET_IRQS,
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_PCI_MSIX_IRQ_INDEX,
} from '../../vfio/abi'
import type { TraceLog } from '../trace-log'
import { describePath, KnownDescriptors, placeOf, vfioDevice } from './known-descriptors'
import { RecordingWindow } from './recording-window'
import type { SharedMemory } from './shared-memory'

/** Bytes of a struct vfio_irq_set before its data. */
const IRQ_SET = 20

/** Those verbs of a kernel that tell the recorder what descriptors are, and what goes through them. */
export class RecordingVerbs {
  readonly #kernel: Kernel
  readonly #log: TraceLog
  readonly #memory: SharedMemory
  readonly #known = new KnownDescriptors()

  constructor(kernel: Kernel, log: TraceLog, memory: SharedMemory) {
    this.#kernel = kernel
    this.#log = log
    this.#memory = memory
  }

  /** The verbs, each of which does what the kernel's does. */
  all() {
    return {
      open: this.#open,
      close: this.#close,
      duplicate: this.#duplicate,
      ioctl: this.#ioctl,
      read: this.#read,
      write: this.#write,
      watch: this.#watch,
      mapRegisters: this.#mapRegisters,
    } satisfies Partial<Kernel>
  }

  readonly #open = (path: string, flags: number): FileDescriptor => {
    const fd = this.#kernel.open(path, flags)
    const known = describePath(this.#kernel, path)
    if (known) this.#known.files.set(fd, known)
    if (known?.kind === 'uio') this.#log.interrupt(known.device, 0, 0, 'enabled')
    return fd
  }

  readonly #close = (fd: FileDescriptor): void => {
    this.#kernel.close(fd)
    this.#known.closed(fd)
  }

  readonly #duplicate = (fd: FileDescriptor): FileDescriptor => {
    const copy = this.#kernel.duplicate(fd)
    this.#known.copy(fd, copy)
    return copy
  }

  readonly #ioctl: Kernel['ioctl'] = (fd, request, argument, name) => {
    const result = this.#kernel.ioctl(fd, request, argument, name)
    if (!(argument instanceof Uint8Array)) return result
    if (request === VFIO_GROUP_GET_DEVICE_FD) this.#known.files.set(result, vfioDevice(argument))
    if (request === VFIO_DEVICE_SET_IRQS) this.#noteTriggers(fd, argument)
    return result
  }

  readonly #read: Kernel['read'] = (fd, bytes, position) => {
    const count = this.#kernel.read(fd, bytes, position)
    if (position !== undefined) this.#noteTransfer(fd, bytes.subarray(0, count), position, 'read')
    return count
  }

  readonly #write: Kernel['write'] = (fd, bytes, position) => {
    if (position !== undefined) this.#noteTransfer(fd, bytes, position, 'write')
    return this.#kernel.write(fd, bytes, position)
  }

  readonly #mapRegisters = (fd: FileDescriptor, options: MmapOptions): RegisterWindow => {
    const window = this.#kernel.mapRegisters(fd, options)
    const place = placeOf(this.#kernel, this.#known.files.get(fd), options.position ?? 0)
    return place ? new RecordingWindow(window, place, this.#log, this.#memory) : window
  }

  readonly #watch = (fd: FileDescriptor, byteLength: 4 | 8, listener: WatchListener): Watch => {
    return this.#kernel.watch(fd, byteLength, {
      onCount: (count) => {
        this.#noteInterrupts(fd, count)
        listener.onCount(count)
      },
      onError: (error) => listener.onError(error),
    })
  }

  #noteInterrupts(fd: FileDescriptor, count: number): void {
    const file = this.#known.files.get(fd)
    const counter = this.#known.counters.get(fd)
    let come = count
    if (file?.kind === 'uio') {
      // A UIO node tells of all that there were.
      come = (count - file.counted) >>> 0
      file.counted = count
    }
    const device = counter?.device ?? (file?.kind === 'uio' ? file.device : undefined)
    if (device === undefined) return
    this.#memory.look(device, 'cpu')
    this.#log.interrupt(device, counter?.vector ?? 0, come, 'delivered')
  }

  /** A struct vfio_irq_set that the kernel took: which counters get which interrupts from now on. */
  #noteTriggers(fd: FileDescriptor, argument: Uint8Array): void {
    const file = this.#known.files.get(fd)
    const view = new DataView(argument.buffer, argument.byteOffset, argument.byteLength)
    const [flags, index, start, count] = [4, 8, 12, 16].map((at) => view.getUint32(at, true))
    if (file?.kind !== 'vfio' || (flags! & VFIO_IRQ_SET_ACTION_TRIGGER) === 0) return
    // Further indexes tell of errors, and of somebody who wants the device back.
    if (index! > VFIO_PCI_MSIX_IRQ_INDEX) return
    const { device } = file
    if ((flags! & VFIO_IRQ_SET_DATA_EVENTFD) === 0) {
      if (count === 0) this.#allOff(device)
      return
    }
    for (let i = 0; i < count!; i++) {
      const counter = view.getInt32(IRQ_SET + 4 * i, true)
      const vector = start! + i
      this.#log.interrupt(device, vector, 0, counter < 0 ? 'disabled' : 'enabled')
      if (counter >= 0) this.#known.counters.set(counter, { device, vector })
    }
  }

  #allOff(device: string): void {
    for (const [fd, listener] of this.#known.counters) {
      if (listener.device !== device) continue
      this.#known.counters.delete(fd)
      this.#log.interrupt(device, listener.vector, 0, 'disabled')
    }
  }

  /** An access to a BAR by a system call, which makes one of its width. */
  #noteTransfer(fd: FileDescriptor, bytes: Uint8Array, position: number, access: 'read' | 'write'): void {
    const file = this.#known.files.get(fd)
    const width = bytes.byteLength * 8
    if (!file || file.kind === 'uio' || (width !== 8 && width !== 16 && width !== 32)) return
    const place = placeOf(this.#kernel, file, position)
    if (!place) return
    if (access === 'write') this.#memory.look(place.device, 'device')
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const value =
      width === 32 ? view.getUint32(0, true) : width === 16 ? view.getUint16(0, true) : view.getUint8(0)
    this.#log.register(place.device, access, place.bar, place.byteOffset, width, value)
  }
}
