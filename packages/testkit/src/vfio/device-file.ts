import type { RegisterWindow } from '@linux-dma/native'
import { fail } from '../errors'
import { type MapRequest, OpenFile } from '../kernel/open-file'
import type { UserMemory } from '../kernel/user-memory'
import { type MemoryRange, wholePages } from '../memory/storage'
import { openWindow, type WindowOwner } from '../registers/open-window'
import {
  regionOfPosition,
  regionPosition,
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_IRQ_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_DEVICE_RESET,
  VFIO_DEVICE_SET_IRQS,
  VFIO_PCI_NUM_IRQS,
  VFIO_PCI_NUM_REGIONS,
} from './abi'
import type { VfioPciDevice } from './device'
import type { GroupFile } from './group'
import { readIrqSet } from './irq-set'
import { refuseRequest } from './refused-requests'
import { accessRegion, writeRegionInfo } from './regions'

/** A descriptor of a vfio-pci device. Mapped registers keep it open after its descriptor is closed. */
export class VfioDeviceFile extends OpenFile {
  readonly #device: VfioPciDevice
  readonly #group: GroupFile
  readonly #process: WindowOwner

  constructor(device: VfioPciDevice, group: GroupFile, process: WindowOwner) {
    super(`vfio device ${device.pci.address}`)
    this.#device = device
    this.#group = group
    this.#process = process
    group.retain()
  }

  override ioctl(request: number, argument: UserMemory): number {
    switch (request) {
      case VFIO_DEVICE_GET_INFO:
        this.#getInfo(argument)
        return 0
      case VFIO_DEVICE_GET_REGION_INFO:
        writeRegionInfo(this.#device.pci, argument)
        return 0
      case VFIO_DEVICE_GET_IRQ_INFO:
        this.#getIrqInfo(argument)
        return 0
      case VFIO_DEVICE_SET_IRQS: {
        const { set, action } = readIrqSet(argument, (index) => this.#device.irqCount(index))
        this.#device.setIrqs(set, action)
        return 0
      }
      case VFIO_DEVICE_RESET:
        if (!this.#device.pci.model.resettable) fail('EINVAL', 'the device cannot be reset by itself')
        if (this.#device.pci.absent) fail('ENOTTY', 'the device does not answer')
        this.#device.pci.reset()
        return 0
      default:
        return refuseRequest(request, argument)
    }
  }

  override readAt(bytes: Uint8Array, position: number): number {
    return this.#access(bytes, position, 'read')
  }

  override writeAt(bytes: Uint8Array, position: number): number {
    return this.#access(bytes, position, 'write')
  }

  override mapMemory(): MemoryRange {
    return fail(
      'ENODEV',
      'what this descriptor maps are device registers, which the fake machine has no memory for',
      'map them with kernel.mapRegisters()',
    )
  }

  override mapRegisters({ byteLength, position, access }: MapRequest): RegisterWindow {
    const index = regionOfPosition(position)
    const bar = this.#device.pci.bar(index)
    const byteOffset = position - regionPosition(index)
    if (bar?.kind !== 'memory') return fail('EINVAL', `region ${index} is no BAR that can be mapped`)
    if (byteOffset + wholePages(byteLength) > wholePages(bar.byteLength)) {
      fail('EINVAL', `BAR ${index} has ${bar.byteLength} bytes`)
    }
    const registers = this.#device.pci.registers(index)
    const place = { registers, byteOffset, byteLength, writable: access === 'read-write' }
    return openWindow(place, this, this.#process)
  }

  protected override onRelease(): void {
    this.#device.closed()
    this.#group.release()
  }

  #getInfo(argument: UserMemory): void {
    const { view, argsz } = argument.sized(16)
    const reset = this.#device.pci.model.resettable ? VFIO_DEVICE_FLAGS_RESET : 0
    view.setUint32(4, VFIO_DEVICE_FLAGS_PCI | reset, true)
    view.setUint32(8, VFIO_PCI_NUM_REGIONS, true)
    view.setUint32(12, VFIO_PCI_NUM_IRQS, true)
    // Where capabilities begin, of which there are none, and a word of padding.
    const end = Math.min(argsz, 24)
    for (let at = 16; at < end; at++) argument.view(end).setUint8(at, 0)
  }

  #getIrqInfo(argument: UserMemory): void {
    const { view } = argument.sized(16)
    const { flags, count } = this.#device.irqInfo(view.getUint32(8, true))
    view.setUint32(4, flags, true)
    view.setUint32(12, count, true)
  }

  #access(bytes: Uint8Array, position: number, direction: 'read' | 'write'): number {
    // Nothing is nothing done, wherever.
    if (bytes.byteLength === 0) return 0
    const index = regionOfPosition(position)
    return accessRegion(this.#device, index, position - regionPosition(index), bytes, direction)
  }
}
