import {
  type DmaAddress,
  type DmaDevice,
  DmaDirection,
  DmaError,
  dmaAddress,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMaskAndCoherent,
  type InterruptStream,
  type IoRegion,
} from '@linux-dma/core'
import * as edu from './registers'

/** What the driver needs of a device, whoever opened it: VFIO, UIO. */
export interface EduHost extends DmaDevice {
  bar(index: number): IoRegion
  setMaster(): void
  clearMaster(): void
  interrupts(): InterruptStream
}

/** A transfer takes 100 ms, a factorial less. */
const COMMAND_MILLISECONDS = 5000
/** What a register reads as where no device answers any more. */
const NOBODY = 0xffff_ffff

/** A driver for the edu device: one command at a time, each ended by an interrupt. */
export class EduDriver implements Disposable {
  readonly device: EduHost
  readonly #registers: IoRegion
  readonly #interrupts: InterruptStream

  /** Takes an open device over: checks that it is one, says what it can address, and arms its interrupt. */
  constructor(device: EduHost) {
    this.device = device
    this.#registers = device.bar(0)
    const id = this.#registers.read32(edu.IDENTIFICATION)
    if ((id & 0xffff) !== 0x00ed) {
      throw new DmaError(
        'EDU_NOT_FOUND',
        `${device.name} identifies itself as 0x${id.toString(16)}, not as an edu device`,
      )
    }
    // The mask comes before the first mapping, and bus mastering before the first transfer.
    dmaSetMaskAndCoherent(device, dmaBitMask(edu.ADDRESS_BITS))
    device.setMaster()
    // What an earlier user left pending would be taken for an answer to our first command.
    this.#registers.write32(edu.INTERRUPT_ACKNOWLEDGE, this.#registers.read32(edu.INTERRUPT_STATUS))
    this.#interrupts = device.interrupts()
  }

  /** The device's revision. */
  get revision(): string {
    const id = this.#registers.read32(edu.IDENTIFICATION)
    return `${id >>> 24}.${(id >>> 16) & 0xff}`
  }

  /** How the device tells that it is done. */
  get interruptKind(): string {
    return this.#interrupts.kind.toUpperCase()
  }

  /** Whether the device answers: it inverts what is written. */
  isAlive(probe: number): boolean {
    this.#registers.write32(edu.LIVENESS, probe)
    return this.#registers.read32(edu.LIVENESS) === ~probe >>> 0
  }

  /** n! as the device computes it, modulo 2^32. */
  async factorial(n: number): Promise<number> {
    this.#registers.write32(edu.STATUS, edu.STATUS_INTERRUPT_WHEN_DONE)
    this.#registers.write32(edu.FACTORIAL, n)
    await this.#completed(edu.CAUSE_FACTORIAL)
    return this.#registers.read32(edu.FACTORIAL)
  }

  /** Copies bytes of DMA memory into the device's buffer, from its byte `offset` on. */
  async copyToDevice(bytes: Uint8Array, offset = 0): Promise<void> {
    using mapping = dmaMapSingle(this.device, bytes, DmaDirection.ToDevice)
    await this.#transfer(mapping.dmaAddress, dmaAddress(edu.BUFFER_ADDRESS + offset), bytes.byteLength, 0)
  }

  /** Fills bytes of DMA memory from the device's buffer, from its byte `offset` on. */
  async copyFromDevice(bytes: Uint8Array, offset = 0): Promise<void> {
    using mapping = dmaMapSingle(this.device, bytes, DmaDirection.FromDevice)
    const source = dmaAddress(edu.BUFFER_ADDRESS + offset)
    await this.#transfer(source, mapping.dmaAddress, bytes.byteLength, edu.DMA_FROM_DEVICE)
  }

  /** Stops the device: no further interrupt, no further transfer. The device itself stays open. */
  close(): void {
    this.#interrupts.close()
    if (!this.device.closed) this.device.clearMaster()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #transfer(
    source: DmaAddress,
    destination: DmaAddress,
    byteLength: number,
    direction: number,
  ): Promise<void> {
    if (byteLength > edu.LONGEST_TRANSFER) {
      throw new DmaError(
        'EDU_TOO_LONG',
        `${byteLength} bytes do not fit: the device moves up to ${edu.LONGEST_TRANSFER}`,
      )
    }
    await this.#idle()
    this.#registers.writeAddress(edu.DMA_SOURCE, source)
    this.#registers.writeAddress(edu.DMA_DESTINATION, destination)
    this.#registers.write32(edu.DMA_COUNT, byteLength)
    this.#registers.write32(edu.DMA_COMMAND, edu.DMA_START | direction | edu.DMA_INTERRUPT_WHEN_DONE)
    try {
      await this.#completed(edu.CAUSE_DMA)
    } catch (error) {
      // It may still be at it, and the buffer is about to be somebody else's: no further byte must move.
      this.device.clearMaster()
      await this.#rest()
      throw error
    }
  }

  /** What is left of a transfer comes to nothing now, and must not be left for who turns bus mastering on again. */
  async #rest(): Promise<void> {
    try {
      await this.#idle()
    } catch {
      // The failure that led here says more.
    }
  }

  /** Waits until the device is at nothing: an earlier user's transfer is stopped by nobody where opening it is no reset. */
  async #idle(): Promise<void> {
    const command = this.#registers.read32(edu.DMA_COMMAND)
    if ((command & edu.DMA_START) === 0 || command === NOBODY) return
    await this.#registers.pollUntil(edu.DMA_COMMAND, (value) => (value & edu.DMA_START) === 0, {
      timeoutMilliseconds: 5000,
      intervalMilliseconds: 1,
    })
    this.#registers.write32(edu.INTERRUPT_ACKNOWLEDGE, edu.CAUSE_DMA)
  }

  /**
   * Waits for the interrupt of one cause, acknowledging every cause it finds on the way.
   * @throws ETIMEDOUT, EDU_TIMEOUT, EDU_GONE
   */
  async #completed(cause: number): Promise<void> {
    const { clock } = this.device.kernel
    const deadline = clock.now() + COMMAND_MILLISECONDS
    for (;;) {
      const error = await this.#interrupt()
      const causes = this.#registers.read32(edu.INTERRUPT_STATUS)
      // All causes at once are none: that is how the bus reads where nobody answers.
      if (causes === NOBODY) throw new DmaError('EDU_GONE', `${this.device.name} does not answer any more`)
      if (error !== undefined) throw error
      this.#registers.write32(edu.INTERRUPT_ACKNOWLEDGE, causes)
      if (causes & cause) return
      // Interrupts that tell of nothing must not keep anybody waiting for ever.
      if (clock.now() >= deadline) {
        throw new DmaError('EDU_TIMEOUT', `${this.device.name} interrupts, and never says that it is done`)
      }
    }
  }

  /** The next interrupt; or why there is none, which is not known before the device was looked at. */
  async #interrupt(): Promise<unknown> {
    try {
      await this.#interrupts.wait({ timeoutMilliseconds: COMMAND_MILLISECONDS })
      return undefined
    } catch (error) {
      if (this.device.closed || this.#interrupts.closed) throw error
      return error
    }
  }
}
