import { type DisturbedParts, Disturber, type Held } from './disturber'
import type { InterruptSignal } from './interference'
import type { InterruptDisturbance, SpuriousInterrupts } from './options'

type OfDevice = Exclude<InterruptDisturbance, SpuriousInterrupts>
type Pass = () => void

const name = ({ vector, by }: InterruptSignal) =>
  by === 'line' ? 'the interrupt line' : `interrupt message ${vector}`

/** Interrupts that a device makes, and what becomes of them. */
abstract class InterruptDisturber<Options extends OfDevice> extends Disturber {
  protected readonly options: Options

  constructor(options: Options, parts: DisturbedParts) {
    super(options, parts)
    this.options = options
  }

  /** A driver does not go by interrupts alone: what it does with the device's registers and memory is its own doing still. */
  protected override get misleads(): boolean {
    return false
  }

  interrupt(signal: InterruptSignal, pass: Pass): void {
    const { vector } = this.options
    if (vector !== undefined && vector !== signal.vector) pass()
    else this.meet(signal, pass)
  }

  protected meet(signal: InterruptSignal, pass: Pass): void {
    if (this.strikes()) this.strike(signal, pass)
    else pass()
  }

  protected abstract strike(signal: InterruptSignal, pass: Pass): void
}

class LostInterrupts extends InterruptDisturber<OfDevice & { interrupt: 'lost' }> {
  protected strike(signal: InterruptSignal): void {
    this.note(`${name(signal)} is lost`)
  }
}

class LateInterrupts extends InterruptDisturber<OfDevice & { interrupt: 'late' }> {
  protected strike(signal: InterruptSignal, pass: Pass): void {
    const { byMilliseconds } = this.options
    this.note(`${name(signal)} is ${byMilliseconds} ms late`)
    this.hold(byMilliseconds, pass)
  }
}

class RepeatedInterrupts extends InterruptDisturber<OfDevice & { interrupt: 'twice' }> {
  protected strike(signal: InterruptSignal, pass: Pass): void {
    const { byMilliseconds = 0 } = this.options
    this.note(`${name(signal)} comes twice, again ${byMilliseconds} ms later`)
    pass()
    this.hold(byMilliseconds, pass)
  }
}

class CoalescedInterrupts extends InterruptDisturber<OfDevice & { interrupt: 'coalesced' }> {
  /** What waits for others of its vector. */
  readonly #waiting = new Map<number, { count: number; readonly held: Held }>()

  protected override meet(signal: InterruptSignal, pass: Pass): void {
    const waiting = this.#waiting.get(signal.vector)
    if (waiting === undefined) {
      super.meet(signal, pass)
      return
    }
    waiting.count++
    if (waiting.count === this.options.interrupts) waiting.held.run()
  }

  protected strike(signal: InterruptSignal, pass: Pass): void {
    const held = this.hold(this.options.withinMilliseconds ?? 1, () => {
      this.#waiting.delete(signal.vector)
      this.note(`${group.count} times ${name(signal)} become one`)
      pass()
    })
    const group = { count: 1, held }
    this.#waiting.set(signal.vector, group)
  }

  override reset(): void {
    super.reset()
    this.#waiting.clear()
  }
}

class ReorderedInterrupts extends InterruptDisturber<OfDevice & { interrupt: 'reordered' }> {
  #waiting: { readonly vector: number; readonly letGo: () => void; readonly held: Held } | undefined

  override interrupt(signal: InterruptSignal, pass: Pass): void {
    const waiting = this.#waiting
    if (waiting === undefined) {
      super.interrupt(signal, pass)
      return
    }
    pass()
    if (waiting.vector === signal.vector) return
    // At the same time, but behind it: a program that waits is told of the other one first.
    waiting.held.cancel()
    this.#waiting = undefined
    this.hold(0, waiting.letGo)
  }

  protected strike(signal: InterruptSignal, pass: Pass): void {
    const began = this.parts.clock.now()
    const letGo = () => {
      this.#waiting = undefined
      const waited = this.parts.clock.now() - began
      this.note(`${name(signal)} is held back for ${waited} ms`)
      pass()
    }
    const held = this.hold(this.options.withinMilliseconds ?? 1, letGo)
    this.#waiting = { vector: signal.vector, letGo, held }
  }

  override reset(): void {
    super.reset()
    this.#waiting = undefined
  }
}

/** Interrupts that no device makes. */
class SpuriousDisturber extends Disturber {
  readonly #options: SpuriousInterrupts
  #next: { cancel(): void }

  constructor(options: SpuriousInterrupts, parts: DisturbedParts) {
    super(options, parts)
    this.#options = options
    const { afterMilliseconds = 0, everyMilliseconds = 0 } = options
    this.#next = parts.clock.schedule(afterMilliseconds + everyMilliseconds, () => this.#come())
  }

  /** A driver does not go by interrupts alone: what it does with the device's registers and memory is its own doing still. */
  protected override get misleads(): boolean {
    return false
  }

  override stop(): void {
    this.#next.cancel()
    super.stop()
  }

  #come(): void {
    const { device, clock } = this.parts
    const { vector = 0, everyMilliseconds } = this.#options
    if (device.removed || !this.strikes()) return
    if (device.glitch(vector)) this.note(`a spurious interrupt of vector ${vector}`)
    if (everyMilliseconds !== undefined && this.active) {
      this.#next = clock.schedule(everyMilliseconds, () => this.#come())
    }
  }
}

/** Starts what goes wrong with interrupts. */
export function disturbInterrupts(options: InterruptDisturbance, parts: DisturbedParts): Disturber {
  switch (options.interrupt) {
    case 'lost':
      return new LostInterrupts(options, parts)
    case 'late':
      return new LateInterrupts(options, parts)
    case 'twice':
      return new RepeatedInterrupts(options, parts)
    case 'coalesced':
      return new CoalescedInterrupts(options, parts)
    case 'reordered':
      return new ReorderedInterrupts(options, parts)
    case 'spurious':
      return new SpuriousDisturber(options, parts)
  }
}
