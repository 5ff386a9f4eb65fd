import { DmaError, POLLIN, type RegisterWindow } from '@linux-dma/native'
import { fail } from '../errors'
import { type FileAccess, type MapRequest, OpenFile } from '../kernel/open-file'
import { type MemoryRange, pageSize } from '../memory/storage'
import { MemoryBlock } from '../registers/memory-block'
import { openWindow } from '../registers/open-window'
import type { UioDevice } from './device'
import { type MapContent, mappedContent } from './map'

/** Bytes in the counter, and in what is written. */
const wordBytes = 4
/** poll(2) of a device without interrupts: the driver's `-EIO` is taken for bits, all of them but POLLOUT. */
const errorBits = -5 & 0x7fff

/** /dev/uioN, opened (drivers/uio/uio.c): it sees the interrupts that come after the open. */
export class UioFile extends OpenFile {
  override readonly waitable = true
  readonly #device: UioDevice
  /** Events when the file was opened, or read last. */
  #seen: number

  constructor(device: UioDevice, access: FileAccess) {
    super(device.node, access)
    this.#device = device
    this.#seen = device.events
  }

  override reopen(access: FileAccess): OpenFile {
    return this.#device.open(access)
  }

  /** The count of all interrupts, once there is one that this file has not read. */
  override readAt(bytes: Uint8Array): number {
    if (bytes.byteLength !== wordBytes) fail('EINVAL', 'a UIO device is read 4 bytes at a time')
    const device = this.#device
    for (;;) {
      if (!device.info?.hasInterrupt) fail('EIO', this.#silence())
      if (device.events !== this.#seen) break
      if (this.nonBlocking) fail('EAGAIN', 'no interrupt since the last read')
      if (!device.parts.clock.step()) this.#failForever()
    }
    device.parts.trace?.interrupt(device.parent.address, 0, (device.events - this.#seen) >>> 0, 'delivered')
    this.#seen = device.events
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, this.#seen, true)
    return wordBytes
  }

  override writeAt(bytes: Uint8Array): number {
    if (bytes.byteLength !== wordBytes) fail('EINVAL', 'a UIO device is written 4 bytes at a time')
    const { info } = this.#device
    if (info === undefined) return fail('EINVAL', this.#silence())
    if (!info.hasInterrupt) fail('EIO', this.#silence())
    if (info.irqcontrol === undefined) fail('ENOSYS', `${info.name} has no irqcontrol()`)
    info.irqcontrol(new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true))
    return wordBytes
  }

  override pollMask(): number {
    const { info, events } = this.#device
    if (!info?.hasInterrupt) return errorBits
    return events === this.#seen ? 0 : POLLIN
  }

  override mapMemory(request: MapRequest): MemoryRange {
    const content = this.#locate(request)
    if ('registers' in content) {
      throw new DmaError(
        'DMA_NOT_MEMORY',
        `${content.registers.name}, mapped through ${this.path}, is no memory: Linux would map it, and reads and writes of its bytes would reach the device in widths that nobody chose`,
        { hint: 'map registers with kernel.mapRegisters()' },
      )
    }
    const { storage, hasPages } = content
    return { storage, byteOffset: 0, byteLength: request.byteLength, pinnable: hasPages, file: this }
  }

  override mapRegisters(request: MapRequest): RegisterWindow {
    const content = this.#locate(request)
    const { parts } = this.#device
    const place = { byteOffset: 0, byteLength: request.byteLength, writable: request.access === 'read-write' }
    if ('registers' in content) return openWindow({ ...place, registers: content.registers }, this, parts)
    const { storage, hasPages, byFaults } = content
    const hasOwner = () => !byFaults || this.#device.info !== undefined
    const registers = new MemoryBlock(`memory of ${this.path}`, storage, parts.clock, hasOwner)
    const memory = { storage, byteOffset: 0, byteLength: request.byteLength, pinnable: hasPages }
    return openWindow({ ...place, registers, memory }, this, parts)
  }

  protected override onRelease(): void {
    this.#device.info?.release?.()
  }

  #locate({ byteLength, position }: MapRequest): MapContent {
    const device = this.#device
    if (device.info === undefined) fail('EINVAL', this.#silence())
    const index = position / pageSize
    const map = device.dmaMemory?.claims(index) ? device.dmaMemory.map(index, byteLength) : device.maps[index]
    if (map === undefined) return fail('EINVAL', `there is no map ${index}`)
    return mappedContent(map, byteLength)
  }

  /** Why nothing comes. */
  #silence(): string {
    return this.#device.info === undefined
      ? 'the driver has taken the device back'
      : 'the device has no interrupt'
  }

  #failForever(): never {
    throw new DmaError(
      'DMA_WOULD_BLOCK',
      `a read of ${this.path} would wait for ever: nothing is to happen`,
      {
        hint: 'open it with O_NONBLOCK, or wait with kernel.poll() or kernel.watch() before reading',
      },
    )
  }
}
