import {
  closeAll,
  createDmaRegion,
  type DmaDevice,
  DmaDirection,
  DmaError,
  type DmaRegion,
  type IoRegion,
  type MappingHandle,
} from '@linux-dma/core'
import { DescriptorRing } from './descriptor-ring'
import * as e1000 from './registers'

/** Frames on their way out: each is copied into a buffer of a region that is mapped once. */
export class TransmitRing implements Disposable {
  readonly #ring: DescriptorRing
  readonly #region: DmaRegion
  readonly #bufferByteLength: number
  /** The mapping of the frame that stands in each place. */
  readonly #handles: MappingHandle[] = []
  /** Where the next frame goes. */
  #next = 0
  /** The oldest frame that the card has not been seen to be done with. */
  #oldest = 0

  constructor(device: DmaDevice, registers: IoRegion, descriptors: number, bufferByteLength: number) {
    this.#bufferByteLength = bufferByteLength
    this.#region = createDmaRegion(device, {
      byteLength: descriptors * bufferByteLength,
      direction: DmaDirection.ToDevice,
    })
    try {
      this.#ring = new DescriptorRing(device, registers, e1000.TRANSMIT_RING, descriptors)
    } catch (error) {
      this.#region.close()
      throw error
    }
  }

  /**
   * Hands a frame to the card.
   * @throws E1000_TRANSMIT_FULL where the card has not sent what it was given before
   */
  send(frame: Uint8Array): void {
    this.#reclaim()
    const index = this.#next
    const following = this.#ring.next(index)
    if (following === this.#oldest) {
      throw new DmaError('E1000_TRANSMIT_FULL', `${this.#ring.length - 1} frames are waiting to be sent`, {
        hint: 'send again a little later',
      })
    }
    const start = index * this.#bufferByteLength
    this.#region.bytes.set(frame, start)
    const handle = this.#region.mapSingle(start, frame.length, DmaDirection.ToDevice)
    this.#handles[index] = handle
    const command = e1000.TRANSMIT_LAST_PART | e1000.TRANSMIT_ADD_CHECKSUM | e1000.TRANSMIT_REPORT_STATUS
    this.#ring.write(index, this.#region.addressOf(handle), command | frame.length)
    this.#next = following
    this.#ring.moveTail(following)
  }

  /** Gives the memory back. The card has to be stopped. */
  [Symbol.dispose](): void {
    closeAll([() => this.#unmapAll(), () => this.#ring[Symbol.dispose](), () => this.#region.close()])
  }

  /** Of what is still to be sent: a device that was closed has none of it any more. */
  #unmapAll(): void {
    while (this.#oldest !== this.#next) {
      const handle = this.#handles[this.#oldest]!
      if (this.#region.isMapped(handle)) this.#region.unmapSingle(handle)
      this.#oldest = this.#ring.next(this.#oldest)
    }
  }

  #reclaim(): void {
    while (this.#oldest !== this.#next) {
      if ((this.#ring.status(this.#oldest) & e1000.DESCRIPTOR_DONE) === 0) return
      this.#region.unmapSingle(this.#handles[this.#oldest]!)
      this.#oldest = this.#ring.next(this.#oldest)
    }
  }
}
