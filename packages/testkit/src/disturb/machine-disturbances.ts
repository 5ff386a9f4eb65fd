import type { FakeClock } from '../clock'
import { invalidArgument } from '../errors'
import type { AttachedModel } from '../models/attached-model'
import type { DeviceModel } from '../models/device-model'
import { createRandom } from '../prng'
import { checkDisturbance } from './check-options'
import type { DisturbedParts } from './disturber'
import { disturbInterrupts } from './interrupts'
import { disturbLink } from './link'
import type { Disturbance, DisturbanceOptions } from './options'
import { disturbRegisters } from './registers'
import { disturbDmaReads, disturbDmaWrites } from './transfers'

/** What disturbances need of their machine. */
export interface DisturbParts {
  readonly seed: number
  readonly clock: FakeClock
  readonly attached: WeakMap<DeviceModel, AttachedModel>
  readonly remove: (model: DeviceModel) => void
}

/** Far enough from each other that the streams of two disturbances have nothing in common. */
const seedStep = 0x6c07_8965

/** What goes wrong with the devices of one machine. */
export class MachineDisturbances {
  readonly #parts: DisturbParts
  #made = 0

  constructor(parts: DisturbParts) {
    this.#parts = parts
  }

  /** @throws `DMA_INVALID_ARGUMENT` */
  add(model: DeviceModel, given: DisturbanceOptions): Disturbance {
    const { attached, clock, remove } = this.#parts
    const options = checkDisturbance(given)
    const device = attached.get(model)
    if (device === undefined || device.removed) {
      return invalidArgument('disturb: the device is not plugged into this machine')
    }
    const random = createRandom(this.#seedOf(options))
    return start(options, { device, clock, random, remove: () => remove(model) })
  }

  #seedOf(options: DisturbanceOptions): number {
    this.#made++
    const { seed } = options as { seed?: number }
    return seed ?? (this.#parts.seed + Math.imul(this.#made, seedStep)) >>> 0
  }
}

function start(options: DisturbanceOptions, parts: DisturbedParts): Disturbance {
  if ('interrupt' in options) return disturbInterrupts(options, parts)
  if ('dmaWrite' in options) return disturbDmaWrites(options, parts)
  if ('dmaRead' in options) return disturbDmaReads(options, parts)
  if ('register' in options) return disturbRegisters(options, parts)
  return disturbLink(options, parts)
}
