import { checkOptionNames } from '../arguments'
import { invalidArgument } from '../errors'
import { Register } from './register'
import type { DeviceRegister } from './typed-device'

/** How causes come to be an interrupt. */
export interface InterruptCausesOptions {
  /** The causes: `w1c` or `rc`, mostly. */
  readonly status: DeviceRegister
  /** The causes that interrupt, bit by bit. Without it all do. */
  readonly enable?: DeviceRegister
  /** The message that is sent; 0 by default. */
  readonly vector?: number
  /**
   * When a message is sent: `first`, when there is an enabled cause and was none before, as most devices do it; a driver
   * that leaves a cause standing gets no other. `each`, for each cause that becomes pending and enabled.
   */
  readonly messages?: 'first' | 'each'
  /** A switch for all of them, beside `enable`. Call `refresh()` when its answer changes. */
  readonly gate?: () => boolean
}

/** Causes of an interrupt. The line is up while an enabled one is set; a message tells only that one came. */
export interface InterruptCauses {
  /** The causes that are set and enabled. */
  readonly pending: number
  /** Sets causes. */
  raise(bits: number): void
  /** Looks again at the gate. */
  refresh(): void
}

/** What causes need of their device: one line, and messages. */
export interface CausesParts {
  readonly line: Set<InterruptCauses>
  /** Sends a message, or raises the line where messages are off. */
  raise(vector: number): void
  lower(): void
}

export class CauseRegisters implements InterruptCauses {
  readonly #options: InterruptCausesOptions
  readonly #parts: CausesParts
  #pending = 0

  constructor(options: InterruptCausesOptions, parts: CausesParts) {
    checkOptionNames(options, ['status', 'enable', 'vector', 'messages', 'gate'], 'causes')
    const { status, enable } = options
    for (const register of [status, ...(enable ? [enable] : [])]) {
      if (!(register instanceof Register) || register.width === 64) {
        invalidArgument(
          'causes: status and enable are registers of 8 to 32 bits',
          'pass registers of the device: status: device.registers.interruptStatus',
        )
      }
      register.watch(() => this.refresh())
    }
    this.#options = options
    this.#parts = parts
  }

  get pending(): number {
    return this.#pending
  }

  raise(bits: number): void {
    const { status } = this.#options
    status.value = (Number(status.value) | bits) >>> 0
  }

  refresh(): void {
    const { status, enable, vector = 0, messages = 'first', gate } = this.#options
    const causes = Number(status.value) & Number(enable?.value ?? 0xffff_ffff)
    const before = this.#pending
    this.#pending = gate === undefined || gate() ? causes >>> 0 : 0
    const came = this.#pending & ~before
    if (this.#pending === 0) {
      if (this.#parts.line.delete(this) && this.#parts.line.size === 0) this.#parts.lower()
    } else {
      this.#parts.line.add(this)
      if (came !== 0 && (messages === 'each' || before === 0)) this.#parts.raise(vector)
    }
  }
}
