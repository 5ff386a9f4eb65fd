import type { Addon, MappingHandle, RegisterAccess } from './addon'
import { DmaError } from './errors'
import { closedError } from './linux-mapping'
import { toDmaError } from './system-error'

/** One mapping of registers, as the window classes share it. */
export interface WindowMapping {
  addon: Addon
  handle: MappingHandle
  /** All of the mapping; never handed out by a window. */
  buffer: ArrayBuffer
  writable: boolean
}

/** Registers by native loads and stores, with the kernel's barriers; native code checks range, alignment and life. */
export class NativeRegisters {
  readonly #addon: Addon
  readonly #handle: MappingHandle
  readonly #writable: boolean
  // Made at the first access: most windows are never read this way.
  #access: RegisterAccess | undefined

  constructor({ addon, handle, writable }: WindowMapping) {
    this.#addon = addon
    this.#handle = handle
    this.#writable = writable
  }

  /** Process address of the first register. */
  get address(): number {
    return this.#addon.mappingAddress(this.#handle)
  }

  read(byteOffset: number, width: 8 | 16 | 32): number {
    try {
      return this.#native().read(byteOffset, width)
    } catch (error) {
      throw registerError(error, byteOffset)
    }
  }

  write(byteOffset: number, width: 8 | 16 | 32, value: number): void {
    // A store to read-only pages would end the process.
    if (!this.#writable) throw readOnlyError(byteOffset)
    try {
      this.#native().write(byteOffset, width, value)
    } catch (error) {
      throw registerError(error, byteOffset)
    }
  }

  read64(byteOffset: number): bigint {
    try {
      return this.#native().read64(byteOffset)
    } catch (error) {
      throw registerError(error, byteOffset)
    }
  }

  write64(byteOffset: number, low: number, high: number): void {
    if (!this.#writable) throw readOnlyError(byteOffset)
    try {
      this.#native().write64(byteOffset, low, high)
    } catch (error) {
      throw registerError(error, byteOffset)
    }
  }

  #native(): RegisterAccess {
    this.#access ??= this.#addon.registerAccess(this.#handle)
    return this.#access
  }

  close(): void {
    try {
      this.#addon.closeMapping(this.#handle)
    } catch (error) {
      throw toDmaError(error)
    }
  }
}

/** The error of a write to a window that was mapped with `access: 'read'`. */
export function readOnlyError(byteOffset: number): DmaError {
  return new DmaError('DMA_READ_ONLY', `the register at ${byteOffset} was mapped for reading only`, {
    hint: "map the registers with access: 'read-write'",
  })
}

function registerError(error: unknown, byteOffset: number): unknown {
  const code = (error as { code?: string }).code
  if (code === 'DMA_CLOSED') return closedError('the register window')
  if (code !== 'DMA_INVALID_ARGUMENT') return error
  return new DmaError(code, `no such register access at ${byteOffset}: ${(error as Error).message}`)
}
