import { fail } from '../errors'
import type { UDmaBufMemory } from './buffer-memory'
import { DmaDirection } from './direction'

/** Commands of the one-word requests, and of U_DMA_BUF_IOCTL_SET_SYNC. */
const FOR_CPU = 1
const FOR_DEVICE = 3

/** What was asked for last, of all who have the buffer open: the driver keeps it in one place, and checks it when it is used. */
export class SyncState {
  mode: number
  offset = 0n
  size: bigint
  direction = DmaDirection.Bidirectional
  owner: 'cpu' | 'device' = 'cpu'
  /** The command that was not carried out, since its range was refused: 0 after one that was. */
  forCpu = 0n
  forDevice = 0n
  readonly #memory: UDmaBufMemory
  readonly #limit: bigint

  constructor(memory: UDmaBufMemory, size: number, mode: number) {
    this.#memory = memory
    this.#limit = BigInt(size)
    this.size = BigInt(size)
    this.mode = mode
  }

  /** What sysfs is written: looked at by the next sync. */
  assign(what: Partial<Pick<SyncState, 'mode' | 'offset' | 'size' | 'direction'>>): void {
    Object.assign(this, what)
  }

  /** A word of its own range, direction and command; with no more than bit 0, for what was set before. 0 does nothing. */
  syncForCpu(word: bigint): void {
    this.forCpu = word
    if (word === 0n) return
    const { start, end, direction } = this.#argumentsOf(word)
    this.#memory.syncForCpu(start, end, direction)
    this.forCpu = 0n
    this.owner = 'cpu'
  }

  syncForDevice(word: bigint): void {
    this.forDevice = word
    if (word === 0n) return
    const { start, end } = this.#argumentsOf(word)
    this.#memory.syncForDevice(start, end)
    this.forDevice = 0n
    this.owner = 'device'
  }

  /** U_DMA_BUF_IOCTL_SET_SYNC: what is 0 of mode and size stays as it is, as does a direction that is none. */
  set(view: DataView): void {
    const flags = view.getUint32(0, true)
    const direction = (flags >>> 2) & 3
    const mode = (flags >>> 8) & 0xff
    const size = view.getBigUint64(8, true)
    if (direction !== 3) this.direction = direction
    if (mode > 0) this.mode = mode
    this.offset = view.getBigUint64(16, true)
    if (size > 0n) this.size = size
    const command = flags & 3
    if (command === FOR_CPU) this.syncForCpu(1n)
    if (command === FOR_DEVICE) this.syncForDevice(1n)
  }

  /** U_DMA_BUF_IOCTL_GET_SYNC */
  get(view: DataView): void {
    const owner = this.owner === 'device' ? 0x1_0000 : 0
    view.setBigUint64(0, BigInt((this.direction << 2) | (this.mode << 8) | owner), true)
    view.setBigUint64(8, this.size, true)
    view.setBigUint64(16, this.offset, true)
  }

  /** `EINVAL` where the range ends beyond the buffer. One that wraps around is taken: of it, what the buffer has. */
  #argumentsOf(word: bigint): { start: number; end: number; direction: DmaDirection } {
    const packed = word >> 1n !== 0n
    const offset = packed ? word >> 32n : this.offset
    const size = packed ? word & 0xffff_fff0n : this.size
    const direction = packed ? Number((word >> 2n) & 3n) : this.direction
    if (BigInt.asUintN(64, offset + size) > this.#limit) fail('EINVAL', `the buffer has ${this.#limit} bytes`)
    const within = (value: bigint) => Number(value < this.#limit ? value : this.#limit)
    const end = BigInt.asUintN(64, offset + size)
    return { start: within(offset), end: within(end), direction: direction === 3 ? 0 : direction }
  }
}
