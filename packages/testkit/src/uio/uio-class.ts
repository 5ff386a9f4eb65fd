import { fail } from '../errors'
import { UioDevice, type UioParts } from './device'
import type { DmaMemoryAbi } from './dma-memory'
import type { UioDriverInfo, UioParent } from './driver-info'
import { FlaggedOffset } from './flagged-offset'
import { MagicOffset } from './magic-offset'
import { putMap, putUio, putUioClass, removeUio } from './sysfs'

/** Most UIO devices that there can be. */
const deviceLimit = 255

/** Whether the UIO core gives out DMA memory, and by which of two interfaces that Linux never had. */
export type UioDmaMemory = 'none' | 'magic' | 'flag'

/** The UIO core: which devices are registered, by their minor numbers. */
export class UioClass {
  readonly #devices = new Map<number, UioDevice>()
  readonly #parts: UioParts
  /** What devices get that are registered from now on. */
  dmaMemory: UioDmaMemory

  constructor(parts: UioParts, dmaMemory: UioDmaMemory) {
    this.#parts = parts
    this.dmaMemory = dmaMemory
    putUioClass(parts.fs)
  }

  /** uio_register_device(), with the lowest minor that is free. `EINVAL` where there is none. */
  register(parent: UioParent, info: UioDriverInfo): UioDevice {
    let minor = 0
    while (this.#devices.has(minor)) minor++
    if (minor >= deviceLimit) fail('EINVAL', `there are ${deviceLimit} UIO devices already`)
    const abi = this.#abi(parent, info, (index, map) => putMap(this.#parts.fs, device, index, map))
    const device: UioDevice = new UioDevice(minor, parent, info, abi, this.#parts)
    this.#devices.set(minor, device)
    putUio(this.#parts.fs, device)
    return device
  }

  /** uio_unregister_device(): open files stay open, and answer with errors. What the core allocated is freed. */
  unregister(device: UioDevice): void {
    if (device.info === undefined) return
    this.#devices.delete(device.minor)
    removeUio(this.#parts.fs, device)
    device.info = undefined
    device.dmaMemory?.free()
    this.#parts.clock.wake()
  }

  #abi(
    parent: UioParent,
    { maps }: UioDriverInfo,
    onRegion: ConstructorParameters<typeof MagicOffset>[1],
  ): DmaMemoryAbi | undefined {
    if (this.dmaMemory === 'magic') return new MagicOffset(parent, onRegion)
    return this.dmaMemory === 'flag' ? new FlaggedOffset(parent, maps) : undefined
  }
}
