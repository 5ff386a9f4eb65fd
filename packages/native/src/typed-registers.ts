import type { BoundRegister } from './register-window'

/** The error of an access to `byteOffset` that cannot be. */
export type Refuse = (byteOffset: number) => Error

/** Makes accessors of single registers, and ends all of them at once. */
export interface Binder {
  bind(byteOffset: number): BoundRegister
  close(): void
}

// Three functions with the same body, on purpose: in one function for all widths the engine would meet three kinds
// of array at the same load, and each access would take three times as long.
//
// The array is a variable of the binder's scope that all accessors read: closing replaces it by an empty one, so
// that each read's own bounds check finds out, and costs nothing before.

/** Accessors of 8-bit registers. */
export function bindBytes(array: Uint8Array, writable: boolean, refuse: Refuse): Binder {
  return {
    bind: (byteOffset) => ({
      read() {
        const value = array[byteOffset]
        if (value === undefined) throw refuse(byteOffset)
        return value
      },
      write(value) {
        if (!writable) throw refuse(byteOffset)
        array[byteOffset] = value
      },
    }),
    close() {
      array = new Uint8Array(0)
      writable = false
    },
  }
}

/** Accessors of 16-bit registers. */
export function bindHalves(array: Uint16Array, writable: boolean, refuse: Refuse): Binder {
  return {
    bind(byteOffset) {
      const index = byteOffset >>> 1
      return {
        read() {
          const value = array[index]
          if (value === undefined) throw refuse(byteOffset)
          return value
        },
        write(value) {
          if (!writable) throw refuse(byteOffset)
          array[index] = value
        },
      }
    },
    close() {
      array = new Uint16Array(0)
      writable = false
    },
  }
}

/** Accessors of 32-bit registers. */
export function bindWords(array: Uint32Array, writable: boolean, refuse: Refuse): Binder {
  return {
    bind(byteOffset) {
      const index = byteOffset >>> 2
      return {
        read() {
          const value = array[index]
          if (value === undefined) throw refuse(byteOffset)
          return value
        },
        write(value) {
          if (!writable) throw refuse(byteOffset)
          array[index] = value
        },
      }
    },
    close() {
      array = new Uint32Array(0)
      writable = false
    },
  }
}
