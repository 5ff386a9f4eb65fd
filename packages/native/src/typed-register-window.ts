import { DmaError } from './errors'
import { closedError } from './linux-mapping'
import { NativeRegisters, readOnlyError, type WindowMapping } from './native-registers'
import type { BoundRegister, RegisterWindow } from './register-window'
import { accessBytes, accessHalves, accessWords, Binder } from './typed-registers'

const NO_BYTES = new Uint8Array(0)
const NO_HALVES = new Uint16Array(0)
const NO_WORDS = new Uint32Array(0)

/**
 * Registers as elements of typed arrays of the exact width, which never leave this class: the engine makes each
 * access one load or store of that width, keeps all of them, and keeps their order. 64-bit ones go through native
 * code, since an engine may split a BigUint64Array's.
 */
export class TypedRegisterWindow implements RegisterWindow {
  readonly byteLength: number
  readonly #registers: NativeRegisters
  // Replaced by empty arrays on close, so that the load itself finds out: it gives undefined.
  // Never undefined, and compared with `true`, so that the engine knows their kind without looking.
  #bytes = NO_BYTES
  #halves = NO_HALVES
  #words = NO_WORDS
  #writable = false
  #closed = false
  readonly #binders: Record<8 | 16 | 32, Binder>

  constructor(mapping: WindowMapping) {
    const { buffer, writable } = mapping
    this.#registers = new NativeRegisters(mapping)
    this.#writable = writable
    this.byteLength = buffer.byteLength
    this.#bytes = new Uint8Array(buffer)
    this.#halves = new Uint16Array(buffer, 0, Math.floor(this.byteLength / 2))
    this.#words = new Uint32Array(buffer, 0, Math.floor(this.byteLength / 4))
    const refuse = (byteOffset: number) => this.#refusal(byteOffset)
    this.#binders = {
      8: new Binder(this.#bytes, { writable, make: accessBytes(this.#bytes), refuse }),
      16: new Binder(this.#halves, { writable, make: accessHalves(this.#halves), refuse }),
      32: new Binder(this.#words, { writable, make: accessWords(this.#words), refuse }),
    }
  }

  get address(): number {
    return this.#registers.address
  }

  /** This window: where it is the outer one, the machine keeps device accesses in order by itself. */
  get relaxed(): RegisterWindow {
    return this
  }

  read8(byteOffset: number): number {
    const value = this.#bytes[byteOffset]
    if (value === undefined) throw this.#refusal(byteOffset)
    return value
  }

  read16(byteOffset: number): number {
    const value = this.#halves[byteOffset >>> 1]
    if (value === undefined) throw this.#refusal(byteOffset)
    return value
  }

  read32(byteOffset: number): number {
    const value = this.#words[byteOffset >>> 2]
    if (value === undefined) throw this.#refusal(byteOffset)
    return value
  }

  read64(byteOffset: number): bigint {
    return this.#registers.read64(byteOffset)
  }

  write8(byteOffset: number, value: number): void {
    if (this.#writable !== true) throw this.#refusal(byteOffset)
    this.#bytes[byteOffset] = value
  }

  write16(byteOffset: number, value: number): void {
    if (this.#writable !== true) throw this.#refusal(byteOffset)
    this.#halves[byteOffset >>> 1] = value
  }

  write32(byteOffset: number, value: number): void {
    if (this.#writable !== true) throw this.#refusal(byteOffset)
    this.#words[byteOffset >>> 2] = value
  }

  write64(byteOffset: number, low: number, high: number): void {
    this.#registers.write64(byteOffset, low, high)
  }

  bind(byteOffset: number, width: 8 | 16 | 32): BoundRegister {
    if (this.#closed) throw this.#refusal(byteOffset)
    return this.#binders[width].bind(byteOffset)
  }

  close(): void {
    if (this.#closed) return
    this.#registers.close()
    this.#closed = true
    this.#writable = false
    this.#bytes = NO_BYTES
    this.#halves = NO_HALVES
    this.#words = NO_WORDS
    for (const binder of Object.values(this.#binders)) binder.close()
  }

  #refusal(byteOffset: number): DmaError {
    if (this.#closed) return closedError('the register window')
    if (byteOffset >= 0 && byteOffset < this.byteLength) return readOnlyError(byteOffset)
    return new DmaError('DMA_RANGE', `no register at ${byteOffset}: the window has ${this.byteLength} bytes`)
  }
}
