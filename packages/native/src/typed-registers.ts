import type { BoundRegister } from './register-window'

/** The error of an access to `byteOffset` that cannot be. */
export type Refuse = (byteOffset: number) => Error

/** Makes the accessors of one element of an array. */
type MakeAccessors = (index: number) => BoundRegister

/** The accessors of single registers of one width, made once for each, and ended all at once. */
export class Binder {
  readonly #length: number
  readonly #shift: number
  readonly #writable: boolean
  readonly #make: MakeAccessors
  readonly #refuse: Refuse
  readonly #made = new Map<number, BoundRegister>()

  constructor(
    array: { readonly length: number; readonly BYTES_PER_ELEMENT: number },
    options: { writable: boolean; make: MakeAccessors; refuse: Refuse },
  ) {
    this.#length = array.length
    this.#shift = Math.log2(array.BYTES_PER_ELEMENT)
    this.#writable = options.writable
    this.#make = options.make
    this.#refuse = options.refuse
  }

  bind(byteOffset: number): BoundRegister {
    const known = this.#made.get(byteOffset)
    if (known) return known
    const index = byteOffset >>> this.#shift
    // What cannot be is refused here and not at each access: an access is then one load or store and nothing else.
    const register = index < this.#length ? this.#make(index) : this.#refusing(byteOffset)
    if (!this.#writable) register.write = this.#refusing(byteOffset).write
    this.#made.set(byteOffset, register)
    return register
  }

  /** Turns every accessor that was given out into one that refuses. */
  close(): void {
    for (const [byteOffset, register] of this.#made) {
      try {
        Object.assign(register, this.#refusing(byteOffset))
      } catch {
        // Frozen by its owner: it reads zeros from here on, and the others still have to end.
      }
    }
    this.#made.clear()
  }

  #refusing(byteOffset: number): BoundRegister {
    const refuse = (): never => {
      throw this.#refuse(byteOffset)
    }
    return { read: refuse, write: refuse }
  }
}

// Three functions with the same body, on purpose: in one function for all widths the engine would meet three kinds
// of array at the same load, and each access would take three times as long.

/** Accessors of 8-bit registers. */
export function accessBytes(array: Uint8Array): MakeAccessors {
  return (index) => ({
    read: () => array[index]!,
    write: (value) => {
      array[index] = value
    },
  })
}

/** Accessors of 16-bit registers. */
export function accessHalves(array: Uint16Array): MakeAccessors {
  return (index) => ({
    read: () => array[index]!,
    write: (value) => {
      array[index] = value
    },
  })
}

/** Accessors of 32-bit registers. */
export function accessWords(array: Uint32Array): MakeAccessors {
  return (index) => ({
    read: () => array[index]!,
    write: (value) => {
      array[index] = value
    },
  })
}
