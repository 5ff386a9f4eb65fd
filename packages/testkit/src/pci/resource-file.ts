import type { RegisterWindow } from '@linux-dma/native'
import { fail } from '../errors'
import { type FileAccess, type MapRequest, OpenFile } from '../kernel/open-file'
import { wholePages } from '../memory/storage'
import { openWindow, type WindowOwner } from '../registers/open-window'
import { getWidth, setWidth } from '../registers/register-access'
import type { Bar } from './config-space'
import type { PciFunction } from './function'
import { IoBar } from './io-bar'

/** `resourceN` of a device in sysfs, opened: a BAR that can be had without any driver. */
export class ResourceFile extends OpenFile {
  readonly #device: PciFunction
  readonly #bar: Bar
  readonly #owner: WindowOwner

  constructor(path: string, access: FileAccess, device: PciFunction, bar: Bar, owner: WindowOwner) {
    super(path, access)
    this.#device = device
    this.#bar = bar
    this.#owner = owner
  }

  override readAt(bytes: Uint8Array, position: number): number {
    return this.#access(bytes, position, 'read')
  }

  override writeAt(bytes: Uint8Array, position: number): number {
    this.#assertThere()
    if (position >= this.#bar.byteLength) fail('EFBIG', `the BAR has ${this.#bar.byteLength} bytes`)
    return this.#access(bytes, position, 'write')
  }

  override mapRegisters({ byteLength, position, access }: MapRequest): RegisterWindow {
    this.#assertThere()
    const { index, byteLength: end, kind } = this.#bar
    if (kind === 'io') return fail('ENODEV', 'I/O ports cannot be mapped: read and write the file')
    if (position + wholePages(byteLength) > wholePages(end)) fail('EINVAL', `BAR ${index} has ${end} bytes`)
    const registers = this.#device.registers(index)
    const place = { registers, byteOffset: position, byteLength, writable: access === 'read-write' }
    return openWindow(place, this, this.#owner)
  }

  /** What goes beyond the end is cut off, as sysfs does it for every file of a known size. */
  #access(bytes: Uint8Array, position: number, direction: 'read' | 'write'): number {
    this.#assertThere()
    const { byteLength, kind } = this.#bar
    const part = bytes.subarray(0, Math.max(0, byteLength - position))
    if (part.byteLength === 0) return 0
    if (kind === 'memory') return fail('EIO', 'a BAR in memory space is mapped, not read or written')
    return accessPorts(new IoBar(this.#device, this.#bar), position, part, direction)
  }

  #assertThere(): void {
    if (this.#device.removed) fail('ENODEV', `${this.#device.address} was pulled out`)
  }
}

/** One instruction on I/O ports: 1, 2 or 4 bytes, which need not be aligned. */
function accessPorts(
  ports: IoBar,
  byteOffset: number,
  bytes: Uint8Array,
  direction: 'read' | 'write',
): number {
  const count = bytes.byteLength
  if (count !== 1 && count !== 2 && count !== 4) {
    return fail('EINVAL', `I/O ports are accessed 1, 2 or 4 bytes at a time, not ${count}`)
  }
  const width = (count * 8) as 8 | 16 | 32
  const view = new DataView(bytes.buffer, bytes.byteOffset, count)
  if (direction === 'write') ports.write(byteOffset, width, getWidth(view, 0, width))
  else setWidth(view, 0, width, ports.read(byteOffset, width))
  return count
}
