import { invalidArgument } from '../errors'
import type { AccessWidth } from '../models/device-model'
import { type AccessMasks, bitsOf, masksOf, ones, swapBytes } from './bits'
import type { RegisterDescription } from './description'
import type { DeviceRegister } from './typed-device'

/** What the behaviour of a device adds to a register. */
export interface RegisterHooks {
  /** Gives what is read in the place of what is held; undefined leaves that. */
  read?: () => number | bigint | undefined
  /** Told of a write, after the register has changed. */
  write?: (written: number | bigint, previous: number | bigint) => void
}

/** A register of a defined device: what it holds, and what accesses by a driver do to that. */
export class Register implements DeviceRegister {
  readonly fields: Record<string, number> = {}
  readonly width: AccessWidth
  readonly accepts: readonly AccessWidth[]
  readonly #masks: AccessMasks
  readonly #swapped: boolean
  readonly #reset: bigint
  readonly #watchers: (() => void)[] = []
  #hooks: RegisterHooks = {}
  #held: bigint

  constructor(
    readonly name: string,
    description: RegisterDescription,
    endian: 'little' | 'big',
  ) {
    const { width, reset = 0, accepts = width === 64 ? [32, 64] : [width] } = description
    this.width = width
    this.accepts = accepts
    this.#masks = masksOf(description)
    this.#swapped = (description.endian ?? endian) === 'big'
    this.#reset = BigInt.asUintN(width, BigInt(reset))
    this.#held = this.#reset
    this.#nameFields(description)
  }

  get value(): number | bigint {
    return this.#outside(this.#held)
  }

  set value(value: number | bigint) {
    this.#hold(BigInt.asUintN(this.width, toBigInt(value, this.name)))
  }

  /** Calls `watcher` whenever what is held may have changed, whoever did it. */
  watch(watcher: () => void): void {
    this.#watchers.push(watcher)
  }

  setHooks(hooks: RegisterHooks): void {
    this.#hooks = hooks
  }

  reset(): void {
    this.#hold(this.#reset)
  }

  /** A driver reads `width` bits from `byteOffset` of the register on. */
  load(byteOffset: number, width: AccessWidth): bigint {
    const given = this.#hooks.read?.()
    if (given !== undefined) this.#held = BigInt.asUintN(this.width, toBigInt(given, this.name))
    const shown = this.#held & this.#masks.shown
    const covered = this.#onBus(ones(width) << BigInt(byteOffset * 8))
    const cleared = this.#masks.readClears & covered
    if (cleared !== 0n) this.#hold(this.#held & ~cleared)
    return BigInt.asUintN(width, this.#onBus(shown) >> BigInt(byteOffset * 8))
  }

  /** A driver writes `width` bits from `byteOffset` of the register on. */
  store(byteOffset: number, width: AccessWidth, value: bigint): void {
    const covered = this.#onBus(ones(width) << BigInt(byteOffset * 8))
    const written = this.#onBus(BigInt.asUintN(width, value) << BigInt(byteOffset * 8))
    const { kept, oneClears, oneSets } = this.#masks
    const previous = this.#held
    const replaced = kept & covered
    const next = (previous & ~replaced) | (written & (replaced | oneSets))
    this.#hold(next & ~(written & oneClears))
    // Of the bits that were not written, the hook sees what the register keeps, as if the driver had written it again.
    const whole = (written & covered) | (previous & kept & ~covered)
    this.#hooks.write?.(this.#outside(whole), this.#outside(previous))
  }

  #hold(value: bigint): void {
    this.#held = value
    for (const watcher of this.#watchers) watcher()
  }

  /** Between the value and the bytes that a little-endian access sees. */
  #onBus(value: bigint): bigint {
    return this.#swapped ? swapBytes(value, this.width) : value
  }

  #outside(value: bigint): number | bigint {
    return this.width === 64 ? value : Number(value)
  }

  #nameFields({ fields = {} }: RegisterDescription): void {
    for (const [field, description] of Object.entries(fields)) {
      const { lowest, count } = bitsOf(description)
      const shift = BigInt(lowest)
      const mask = ones(count)
      Object.defineProperty(this.fields, field, {
        enumerable: true,
        get: () => Number((this.#held >> shift) & mask),
        set: (value: number) => {
          const bits = toBigInt(value, `${this.name}.${field}`) & mask
          this.#hold((this.#held & ~(mask << shift)) | (bits << shift))
        },
      })
    }
  }
}

function toBigInt(value: number | bigint, name: string): bigint {
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return BigInt(value)
  return invalidArgument(
    `${name} is set to ${String(value)}, which is no integer`,
    'a register holds whole numbers',
  )
}
