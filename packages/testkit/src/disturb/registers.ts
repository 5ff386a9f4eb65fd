import { type DisturbedParts, Disturber } from './disturber'
import type { RegisterPlace } from './interference'
import type { RegisterDisturbance } from './options'

type Pass = () => number | bigint

const describe = ({ width, byteOffset, bar }: RegisterPlace) =>
  `${width} bits at 0x${byteOffset.toString(16)} of BAR ${bar}`

const hexadecimal = (value: number | bigint) => `0x${value.toString(16)}`

/** A value as an access of its width has it. */
function ofWidth(value: bigint, width: RegisterPlace['width']): number | bigint {
  const cut = BigInt.asUintN(width, value)
  return width === 64 ? cut : Number(cut)
}

/** A program's accesses to registers, and what becomes of them. */
abstract class RegisterDisturber<Options extends RegisterDisturbance> extends Disturber {
  protected readonly options: Options

  constructor(options: Options, parts: DisturbedParts) {
    super(options, parts)
    this.options = options
  }

  protected concerns({ bar, byteOffset }: RegisterPlace): boolean {
    const { byteOffset: own, bar: ownBar = own === undefined ? bar : 0 } = this.options
    return bar === ownBar && byteOffset === (own ?? byteOffset)
  }
}

class LateRegisters extends RegisterDisturber<RegisterDisturbance & { register: 'late' }> {
  /** By width: what the last read found. */
  readonly #last = new Map<number, number | bigint>()
  /** By width: the new value, which is read when the old one was read often enough. */
  readonly #next = new Map<number, { readonly value: number | bigint; left: number }>()

  load(place: RegisterPlace, pass: Pass): number | bigint {
    const { width } = place
    if (!this.concerns(place)) return pass()
    const last = this.#last.get(width)
    const next = this.#next.get(width)
    if (next !== undefined) return this.#goOn(next, last!, width)
    const value = pass()
    if (last === undefined || value === last || !this.strikes()) {
      this.#last.set(width, value)
      return value
    }
    const { reads } = this.options
    this.note(
      `${describe(place)} answers ${hexadecimal(last)} ${reads} times instead of ${hexadecimal(value)}`,
    )
    // The model is not asked again before it is given: to read it may have changed it.
    this.#next.set(width, { value, left: reads - 1 })
    return last
  }

  override reset(): void {
    super.reset()
    this.#last.clear()
    this.#next.clear()
  }

  #goOn(next: { readonly value: number | bigint; left: number }, last: number | bigint, width: number) {
    if (next.left-- > 0) return last
    this.#next.delete(width)
    this.#last.set(width, next.value)
    return next.value
  }
}

class StuckRegisters extends RegisterDisturber<RegisterDisturbance & { register: 'stuck' }> {
  load(place: RegisterPlace, pass: Pass): number | bigint {
    const value = pass()
    if (!this.concerns(place)) return value
    const { bits, level } = this.options
    const mask = BigInt(bits)
    const stuck = ofWidth(level === 1 ? BigInt(value) | mask : BigInt(value) & ~mask, place.width)
    if (stuck === value || !this.strikes()) return value
    this.note(`${describe(place)} is ${hexadecimal(stuck)} instead of ${hexadecimal(value)}`)
    return stuck
  }
}

class SilentRegisters extends RegisterDisturber<RegisterDisturbance & { register: 'ones' }> {
  load(place: RegisterPlace, pass: Pass): number | bigint {
    if (!this.concerns(place) || !this.strikes()) return pass()
    this.note(`${describe(place)} is all ones`)
    return ofWidth(-1n, place.width)
  }
}

class LostRegisterWrites extends RegisterDisturber<RegisterDisturbance & { register: 'lost' }> {
  store(place: RegisterPlace, value: number | bigint, pass: () => void): void {
    if (!this.concerns(place) || !this.strikes()) pass()
    else this.note(`a write of ${hexadecimal(value)} to ${describe(place)} is lost`)
  }
}

/** Starts what goes wrong with registers. */
export function disturbRegisters(options: RegisterDisturbance, parts: DisturbedParts): Disturber {
  switch (options.register) {
    case 'late':
      return new LateRegisters(options, parts)
    case 'stuck':
      return new StuckRegisters(options, parts)
    case 'ones':
      return new SilentRegisters(options, parts)
    case 'lost':
      return new LostRegisterWrites(options, parts)
  }
}
