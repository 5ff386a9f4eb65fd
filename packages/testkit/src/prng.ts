import { checkInteger } from './arguments'

/** A stream of numbers that depends on its seed alone. */
export interface Random {
  /** The next unsigned 32-bit number. */
  uint32(): number
  /** The next integer from 0 to `below`-1. `below` is 1 to 2^32. */
  integer(below: number): number
  /** Fills `bytes` and returns them. */
  fill(bytes: Uint8Array): Uint8Array
}

/**
 * A small fast generator (a Weyl sequence through a mixing function): good enough to vary tests, of no use for
 * secrets.
 * @param seed 0 to 2^32-1. Equal seeds give equal streams on every platform.
 * @throws `DMA_INVALID_ARGUMENT`
 */
export function createRandom(seed: number): Random {
  let state = checkInteger(seed, 'seed', 0, 0xffffffff)
  const uint32 = () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    return (mixed ^ (mixed >>> 16)) >>> 0
  }
  return {
    uint32,
    integer(below) {
      checkInteger(below, 'below', 1, 2 ** 32)
      return Math.floor((uint32() / 2 ** 32) * below)
    },
    fill(bytes) {
      for (let index = 0; index < bytes.length; index++) bytes[index] = uint32() & 0xff
      return bytes
    },
  }
}
