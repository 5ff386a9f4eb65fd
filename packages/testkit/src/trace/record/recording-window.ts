import type { BoundRegister, RegisterWindow } from '@linux-dma/native'
import type { TraceLog } from '../trace-log'
import type { SharedMemory } from './shared-memory'

/** Whose registers they are, and where in its BAR the window begins. */
export interface RecordedPlace {
  readonly device: string
  readonly bar: number
  readonly byteOffset: number
}

type Width = 8 | 16 | 32 | 64

/** Registers of another window, each access of which is noted: a read once it is done, a write before it is. */
export class RecordingWindow implements RegisterWindow {
  readonly byteLength: number
  declare readonly address?: number
  readonly #inner: RegisterWindow
  readonly #place: RecordedPlace
  readonly #log: TraceLog
  readonly #memory: SharedMemory
  #relaxed: RegisterWindow | undefined

  constructor(inner: RegisterWindow, place: RecordedPlace, log: TraceLog, memory: SharedMemory) {
    this.byteLength = inner.byteLength
    // Absent where nothing is mapped.
    if (inner.address !== undefined) this.address = inner.address
    this.#inner = inner
    this.#place = place
    this.#log = log
    this.#memory = memory
  }

  get relaxed(): RegisterWindow {
    const { relaxed } = this.#inner
    if (relaxed === this.#inner) return this
    this.#relaxed ??= new RecordingWindow(relaxed, this.#place, this.#log, this.#memory)
    return this.#relaxed
  }

  read8(byteOffset: number): number {
    return this.#noteRead(byteOffset, 8, this.#inner.read8(byteOffset))
  }

  read16(byteOffset: number): number {
    return this.#noteRead(byteOffset, 16, this.#inner.read16(byteOffset))
  }

  read32(byteOffset: number): number {
    return this.#noteRead(byteOffset, 32, this.#inner.read32(byteOffset))
  }

  read64(byteOffset: number): bigint {
    return this.#noteRead(byteOffset, 64, this.#inner.read64(byteOffset))
  }

  write8(byteOffset: number, value: number): void {
    this.#noteWrite(byteOffset, 8, value & 0xff)
    this.#inner.write8(byteOffset, value)
  }

  write16(byteOffset: number, value: number): void {
    this.#noteWrite(byteOffset, 16, value & 0xffff)
    this.#inner.write16(byteOffset, value)
  }

  write32(byteOffset: number, value: number): void {
    this.#noteWrite(byteOffset, 32, value >>> 0)
    this.#inner.write32(byteOffset, value)
  }

  write64(byteOffset: number, low: number, high: number): void {
    this.#noteWrite(byteOffset, 64, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0))
    this.#inner.write64(byteOffset, low, high)
  }

  bind(byteOffset: number, width: 8 | 16 | 32): BoundRegister {
    const inner = this.#inner.bind(byteOffset, width)
    const mask = 2 ** width - 1
    return {
      read: () => this.#noteRead(byteOffset, width, inner.read()),
      write: (value) => {
        this.#noteWrite(byteOffset, width, (value & mask) >>> 0)
        inner.write(value)
      },
    }
  }

  close(): void {
    this.#inner.close()
  }

  #noteRead<Value extends number | bigint>(byteOffset: number, width: Width, value: Value): Value {
    const { device, bar, byteOffset: start } = this.#place
    this.#log.register(device, 'read', bar, start + byteOffset, width, value)
    return value
  }

  #noteWrite(byteOffset: number, width: Width, value: number | bigint): void {
    const { device, bar, byteOffset: start } = this.#place
    this.#memory.look(device, 'device')
    this.#log.register(device, 'write', bar, start + byteOffset, width, value)
  }
}
