import { checkMachineOptions } from '../../machine-options'
import { assembleMachine } from '../../machine-parts'
import { checkModel } from '../../models/check-model'
import type { AccessWidth, DeviceModel } from '../../models/device-model'
import type { PciFunction } from '../../pci/function'
import { accessMilliseconds } from '../../registers/access-time'
import { ReplayMemory } from './replay-memory'

const SLOT = '0000:00:04.0'
const COMMAND = 4
/** Registers answer, and the device may reach memory. */
const ANSWER_AND_MASTER = Uint8Array.of(0x06, 0)
/** The first pause of a wait; each is so much longer than the one before. */
const FIRST_PAUSE = 0.01
const GROWTH = 1.125

/** A device model alone in a machine, and the driver's end of its registers, memory and interrupts. */
export class ReplayDevice {
  readonly memory = new ReplayMemory()
  readonly #clock: PciFunction['clock']
  readonly #function: PciFunction
  /** By vector, how many interrupts came that the driver was not told of. */
  readonly #pending = new Map<number, number>()
  /** As the kernel does it at each interrupt of a line, until the driver has been told. */
  #lineMasked = false
  /** How much later than recorded it is. */
  #slip = 0

  /** @throws `DMA_INVALID_ARGUMENT`, `DMA_ALREADY_ATTACHED` for the model */
  constructor(model: DeviceModel, interrupts: 'message' | 'line' | undefined) {
    checkModel(model)
    const { pci, clock } = assembleMachine(
      checkMachineOptions({ checks: 'off', trace: false, autoAdvance: false }),
    )
    pci.add(model, { address: SLOT, driver: null })
    const device = pci.find(SLOT)!
    const { msi = 0, msix } = model.interrupts
    const messages = interrupts === undefined ? msi > 0 || msix !== undefined : interrupts === 'message'
    device.enable()
    device.writeConfig(COMMAND, ANSWER_AND_MASTER)
    device.path = this.memory
    device.sink = {
      messages,
      message: (vector) => (this.#came(vector) ? 'delivered' : 'lost'),
      lineAsserted: () => {
        if (!this.#lineMasked) this.#lineMasked = this.#came(0)
      },
    }
    this.#clock = clock
    this.#function = device
  }

  /** Lets time pass until it is as late as an event was. @param early how long before it */
  moveTo(time: number, early = 0): void {
    const left = time + this.#slip - early - this.#clock.now()
    if (left > 0) this.#clock.advance(left)
  }

  /** As {@link moveTo} for a register access, which takes time itself. */
  moveToAccess(time: number): void {
    this.moveTo(time, accessMilliseconds)
  }

  read(bar: number, byteOffset: number, width: AccessWidth): bigint {
    return BigInt(this.#function.readRegister(bar, byteOffset, width))
  }

  write(bar: number, byteOffset: number, width: AccessWidth, value: bigint): void {
    this.#function.writeRegister(bar, byteOffset, width, width === 64 ? value : Number(value))
  }

  /** Tries until something is so, while time passes: longer and longer, as much as `patience` in all. False where it never is. */
  waitFor(isSo: () => boolean, patience: number): boolean {
    const start = this.#clock.now()
    let pause = FIRST_PAUSE
    let done = isSo()
    while (!done && this.#clock.now() - start < patience) {
      this.#clock.advance(pause)
      pause *= GROWTH
      done = isSo()
    }
    this.#slip += this.#clock.now() - start
    return done
  }

  /** The driver listens to a vector, or no longer. */
  listen(vector: number, on: boolean): void {
    if (on) this.#pending.set(vector, 0)
    else this.#pending.delete(vector)
    if (on && vector === 0) this.#unmaskLine()
  }

  pending(vector: number): number {
    return this.#pending.get(vector) ?? 0
  }

  /** The driver asks for the next interrupt of a vector: a line is let through again, and comes at once where it is still up. */
  expect(vector: number): void {
    if (vector === 0 && this.pending(0) === 0) this.#unmaskLine()
  }

  /** The driver is told of interrupts. */
  take(vector: number, count: number): void {
    this.#pending.set(vector, this.pending(vector) - count)
  }

  #unmaskLine(): void {
    this.#lineMasked = false
    if (this.#function.sink?.messages === false && this.#function.lineAsserted) {
      this.#lineMasked = this.#came(0)
    }
  }

  #came(vector: number): boolean {
    const before = this.#pending.get(vector)
    if (before === undefined) return false
    this.#pending.set(vector, before + 1)
    return true
  }
}
