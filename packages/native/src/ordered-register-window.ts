import { closedError } from './linux-mapping'
import { NativeRegisters, type WindowMapping } from './native-registers'
import type { BoundRegister, RegisterWindow } from './register-window'
import { TypedRegisterWindow } from './typed-register-window'

/**
 * Registers on a machine that reorders device accesses: native loads and stores with the kernel's barriers, a load
 * before everything after it (`readl`), a store after everything before it (`writel`). `relaxed` has none of them.
 */
export class OrderedRegisterWindow implements RegisterWindow {
  readonly byteLength: number
  readonly relaxed: RegisterWindow
  readonly #registers: NativeRegisters
  #closed = false

  constructor(mapping: WindowMapping) {
    this.byteLength = mapping.buffer.byteLength
    this.relaxed = new TypedRegisterWindow(mapping)
    this.#registers = new NativeRegisters(mapping)
  }

  get address(): number {
    return this.#registers.address
  }

  read8(byteOffset: number): number {
    return this.#registers.read(byteOffset, 8)
  }

  read16(byteOffset: number): number {
    return this.#registers.read(byteOffset, 16)
  }

  read32(byteOffset: number): number {
    return this.#registers.read(byteOffset, 32)
  }

  read64(byteOffset: number): bigint {
    return this.#registers.read64(byteOffset)
  }

  write8(byteOffset: number, value: number): void {
    this.#registers.write(byteOffset, 8, value)
  }

  write16(byteOffset: number, value: number): void {
    this.#registers.write(byteOffset, 16, value)
  }

  write32(byteOffset: number, value: number): void {
    this.#registers.write(byteOffset, 32, value)
  }

  write64(byteOffset: number, low: number, high: number): void {
    this.#registers.write64(byteOffset, low, high)
  }

  bind(byteOffset: number, width: 8 | 16 | 32): BoundRegister {
    if (this.#closed) throw closedError('the register window')
    const registers = this.#registers
    return {
      read: () => registers.read(byteOffset, width),
      write: (value) => registers.write(byteOffset, width, value),
    }
  }

  close(): void {
    this.relaxed.close()
    this.#closed = true
  }
}
