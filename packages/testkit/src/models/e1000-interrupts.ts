import { type RegisterFile, register } from './e1000-registers'

/** The card interrupts at most this often, whatever its throttle says: 500 units of 256 ns. */
const LEAST_UNITS = 500
const UNIT_MILLISECONDS = 256e-6

/** What the interrupt logic needs of the card. */
export interface InterruptLine {
  setLevel(asserted: boolean): void
  schedule(milliseconds: number, run: () => void): void
}

/** Causes, masks and the throttle of an e1000: the line is up while an unmasked cause is pending. */
export class E1000Interrupts {
  readonly #registers: RegisterFile
  readonly #line: InterruptLine
  #asserted = false
  /** No new interrupt begins before the throttle's time is up. */
  #throttled = false

  constructor(registers: RegisterFile, line: InterruptLine) {
    this.#registers = registers
    this.#line = line
  }

  /** Adds causes. ICS reads as ICR does, as in silicon. */
  raise(causes: number): void {
    this.#setCauses(this.#registers.get(register.interruptCause) | causes)
  }

  /** Takes causes away. */
  acknowledge(causes: number): void {
    this.#setCauses(this.#registers.get(register.interruptCause) & ~causes)
  }

  /** ICR is read: it is empty afterwards. */
  takeCauses(): number {
    const causes = this.#registers.get(register.interruptCause)
    this.#setCauses(0)
    return causes
  }

  /** IMS and IMC: what is set in the first lets causes through. */
  changeMask(change: { set?: number; clear?: number }): void {
    this.#registers.change(register.interruptMaskSet, change)
    this.raise(0)
  }

  #setCauses(causes: number): void {
    const registers = this.#registers
    registers.set(register.interruptCause, causes)
    registers.set(register.interruptCauseSet, causes)
    const pending = registers.get(register.interruptMaskSet) & causes
    if (pending !== 0 && !this.#asserted) {
      if (this.#throttled) return
      this.#throttle()
    }
    this.#asserted = pending !== 0
    this.#line.setLevel(this.#asserted)
  }

  #throttle(): void {
    const units = Math.max(LEAST_UNITS, this.#registers.get(register.interruptThrottle))
    this.#throttled = true
    this.#line.schedule(units * UNIT_MILLISECONDS, () => {
      this.#throttled = false
      this.raise(0)
    })
  }
}
