import { type BoundRegister, callSite, DmaError, type RegisterWindow } from '@linux-dma/native'
import { invalidArgument } from '../errors'
import type { PeerRegisters } from '../iommu/dma-path'
import type { OpenFile } from '../kernel/open-file'
import type { AddressSpace } from '../memory/address-space'
import type { MemoryRange } from '../memory/storage'
import type { AccessWidth } from '../models/device-model'
import type { RegisterBlock } from './register-block'

/** Which part of which registers a window shows. */
export interface WindowPlace {
  readonly registers: RegisterBlock
  /** Bytes from the start of the registers. */
  readonly byteOffset: number
  readonly byteLength: number
  readonly writable: boolean
  /** Where the registers are memory: what the window keeps, and what its address leads to. */
  readonly memory?: MemoryRange
}

/**
 * Mapped registers: each access goes to the device model, in its exact width, and takes a microsecond of virtual time.
 * Where the real window would end the process with a signal (beyond its end, memory decoding off, a write to a
 * read-only mapping), this one throws.
 */
export class FakeRegisterWindow implements RegisterWindow {
  readonly byteLength: number
  /** Process address of the first register. */
  readonly address: number
  readonly #place: WindowPlace
  readonly #openedAt = callSite()
  /** Closed by `close()`: what the window gives back to its machine. */
  readonly #onClose: (window: FakeRegisterWindow) => void
  #closed = false

  /** Keeps `file` open until the window closes, as a mapping does. */
  constructor(
    place: WindowPlace,
    file: OpenFile,
    addressSpace: AddressSpace,
    onClose: (window: FakeRegisterWindow) => void,
  ) {
    const { registers, byteOffset: start, byteLength, writable, memory } = place
    const peer: PeerRegisters = {
      access: (byteOffset, bytes, direction) => registers.access(start + byteOffset, bytes, direction),
    }
    const area =
      memory === undefined
        ? addressSpace.addRegisters(peer, byteLength, writable)
        : addressSpace.add(memory, writable)
    memory?.storage.map(writable)
    this.byteLength = byteLength
    this.address = area.address
    this.#place = place
    file.retain()
    this.#onClose = (window) => {
      addressSpace.remove(area)
      onClose(window)
      memory?.storage.unmap(writable, false)
      file.release()
    }
  }

  /** All accesses of the fake are ordered. */
  get relaxed(): RegisterWindow {
    return this
  }

  read8(byteOffset: number): number {
    return this.#read(byteOffset, 8) as number
  }

  read16(byteOffset: number): number {
    return this.#read(byteOffset, 16) as number
  }

  read32(byteOffset: number): number {
    return this.#read(byteOffset, 32) as number
  }

  read64(byteOffset: number): bigint {
    return this.#read(byteOffset, 64) as bigint
  }

  write8(byteOffset: number, value: number): void {
    this.#write(byteOffset, 8, value & 0xff)
  }

  write16(byteOffset: number, value: number): void {
    this.#write(byteOffset, 16, value & 0xffff)
  }

  write32(byteOffset: number, value: number): void {
    this.#write(byteOffset, 32, value >>> 0)
  }

  write64(byteOffset: number, low: number, high: number): void {
    this.#write(byteOffset, 64, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0))
  }

  bind(byteOffset: number, width: 8 | 16 | 32): BoundRegister {
    this.#check(byteOffset, width)
    const mask = 2 ** width - 1
    return {
      read: () => this.#read(byteOffset, width) as number,
      write: (value) => this.#write(byteOffset, width, (value & mask) >>> 0),
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#onClose(this)
  }

  describe(): string {
    return `register window on ${this.#place.registers.name}, ${this.byteLength} bytes, made ${this.#openedAt}`
  }

  #read(byteOffset: number, width: AccessWidth): number | bigint {
    this.#check(byteOffset, width)
    const { registers, byteOffset: start } = this.#place
    return registers.read(start + byteOffset, width)
  }

  #write(byteOffset: number, width: AccessWidth, value: number | bigint): void {
    this.#check(byteOffset, width)
    const { registers, byteOffset: start, writable } = this.#place
    if (!writable) {
      throw new DmaError('DMA_READ_ONLY', 'the registers are mapped for reading: Linux would raise SIGSEGV', {
        hint: "map them with access: 'read-write'",
      })
    }
    registers.write(start + byteOffset, width, value)
  }

  #check(byteOffset: number, width: AccessWidth): void {
    if (this.#closed) throw new DmaError('DMA_CLOSED', 'the register window is closed')
    const bytes = width / 8
    if (!(byteOffset >= 0 && byteOffset + bytes <= this.byteLength)) {
      throw new DmaError('DMA_RANGE', `no register at ${byteOffset}: the window has ${this.byteLength} bytes`)
    }
    if (byteOffset % bytes !== 0) invalidArgument(`a ${width}-bit register at ${byteOffset} is not aligned`)
    if (!this.#place.registers.decodes) {
      throw new DmaError('DMA_BUS_ERROR', 'memory decoding of the device is off: Linux would raise SIGBUS', {
        hint: 'set bit 1 of PCI_COMMAND in the configuration space',
      })
    }
  }
}
