import type { DmaEngine } from './device-model'
import { cause, type RegisterFile, register, TRANSMIT_ENABLE } from './e1000-registers'

const DESCRIPTOR_BYTES = 16
/** A frame is put together from as many buffers as it takes, up to this many bytes. */
const LONGEST_FRAME = 0x1_0000

/** Bits of a descriptor's third word. */
const command = {
  lengthMask: 0xffff,
  end: 0x0100_0000,
  reportStatus: 0x0800_0000,
  reportSent: 0x1000_0000,
  extended: 0x2000_0000,
  data: 0x0010_0000,
} as const

const DESCRIPTOR_DONE = 0x1
/** Collisions and underruns, which do not happen here. */
const DESCRIPTOR_ERRORS = 0xe

/** What the transmitter needs of the card. */
export interface TransmitPort {
  readonly dma: DmaEngine
  send(frame: Uint8Array): void
  raise(causes: number): void
  log(message: string): void
}

/** The transmit ring of an e1000: descriptors from head to tail, each one or a part of a frame. */
export class E1000Transmitter {
  readonly #registers: RegisterFile
  readonly #port: TransmitPort
  readonly #frame = new Uint8Array(LONGEST_FRAME)
  #length = 0

  constructor(registers: RegisterFile, port: TransmitPort) {
    this.#registers = registers
    this.#port = port
  }

  reset(): void {
    this.#length = 0
  }

  /** The tail or the control register was written: sends all there is. */
  run(): void {
    const registers = this.#registers
    if ((registers.get(register.transmitControl) & TRANSMIT_ENABLE) === 0) return
    const start = registers.get(register.transmitHead)
    const descriptors = registers.get(register.transmitLength) / DESCRIPTOR_BYTES
    let causes: number = cause.transmitQueueEmpty
    while (registers.get(register.transmitHead) !== registers.get(register.transmitTail)) {
      const head = registers.get(register.transmitHead)
      causes |= this.#process(registers.address(register.transmitBaseLow) + head * DESCRIPTOR_BYTES)
      const next = head + 1 >= descriptors ? 0 : head + 1
      registers.set(register.transmitHead, next)
      if (next === start || start >= descriptors) {
        this.#port.log(`e1000: the transmit tail is not in the ring of ${descriptors} descriptors`)
        break
      }
    }
    this.#port.raise(causes)
  }

  /** Reads one descriptor and its bytes, sends the frame that it ends, and says which causes that gives. */
  #process(address: number): number {
    const bytes = new Uint8Array(DESCRIPTOR_BYTES)
    const { dma } = this.#port
    dma.read(address, bytes)
    const words = new Uint32Array(bytes.buffer)
    const [low = 0, high = 0, flags = 0, status = 0] = words
    const isContext = (flags & command.extended) !== 0 && (flags & command.data) === 0
    if (isContext) {
      this.#port.log('e1000: checksums and segmentation are not modelled: the descriptor has no effect')
    } else {
      this.#append(high * 2 ** 32 + low, flags & command.lengthMask)
      if ((flags & command.end) !== 0) this.#sendFrame()
    }
    if ((flags & (command.reportStatus | command.reportSent)) === 0) return 0
    words[3] = (status | DESCRIPTOR_DONE) & ~DESCRIPTOR_ERRORS
    dma.write(address + 12, bytes.subarray(12))
    return cause.transmitWrittenBack
  }

  #append(address: number, byteLength: number): void {
    const end = Math.min(this.#length + byteLength, LONGEST_FRAME)
    this.#port.dma.read(address, this.#frame.subarray(this.#length, end))
    this.#length = end
  }

  #sendFrame(): void {
    const frame = this.#frame.slice(0, this.#length)
    this.#length = 0
    this.#port.send(frame)
    this.#registers.count(register.packetsTransmitted)
    this.#registers.count(register.goodPacketsTransmitted)
  }
}
