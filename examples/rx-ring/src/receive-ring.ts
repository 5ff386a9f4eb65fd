import {
  closeAll,
  DmaAttribute,
  type DmaDevice,
  DmaDirection,
  dmaMapSingle,
  type IoRegion,
  type StreamingMapping,
} from '@linux-dma/core'
import { BufferPool } from './buffer-pool'
import { DescriptorRing } from './descriptor-ring'
import { ReceivedFrame } from './received-frame'
import * as e1000 from './registers'

/** What the driver did with the frames it received. */
export interface ReceiveStatistics {
  frames: number
  bytes: number
  /** Frames that were copied out of their buffer, which went back to the card at once. */
  copied: number
  /** Frames that were handed up in their buffer, another one taking its place. */
  handedUp: number
  /** Of those that were copied, the ones that should have been handed up had there been a free buffer. */
  withoutSpare: number
  /** Frames that the card found damaged, or that did not fit into one buffer. */
  dropped: number
}

/** How a receive ring works. */
export interface ReceiveOptions {
  /** Descriptors, a multiple of 8. */
  descriptors: number
  /** Bytes in each buffer: 2048, 4096, 8192 or 16384. */
  bufferByteLength: number
  /** Buffers besides those in the ring: so many frames can be out at a time. */
  spares: number
  /** Frames up to this many bytes are copied, longer ones handed up. */
  copybreak: number
  /** Whether the buffers are mapped for the card once, whole: see `BufferPool`. */
  registered: boolean
}

/** What stands in one place of the ring. */
interface Slot {
  buffer: Uint8Array
  mapping: StreamingMapping
}

/** Buffers that the card fills, and the choice of how each frame leaves its buffer. */
export class ReceiveRing implements Disposable {
  readonly statistics: ReceiveStatistics = {
    frames: 0,
    bytes: 0,
    copied: 0,
    handedUp: 0,
    withoutSpare: 0,
    dropped: 0,
  }
  readonly #device: DmaDevice
  readonly #options: ReceiveOptions
  readonly #ring: DescriptorRing
  readonly #pool: BufferPool
  readonly #slots: Slot[] = []
  /** The descriptor that the card will be done with next. */
  #next = 0
  /** The card is in the middle of a frame that is longer than a buffer, which is dropped to its end. */
  #inPieces = false

  /** Maps a buffer for each descriptor. The card has them all, but for the one that is kept back, from `start()` on. */
  constructor(device: DmaDevice, registers: IoRegion, options: ReceiveOptions) {
    const { descriptors, spares, bufferByteLength, registered } = options
    this.#device = device
    this.#options = options
    this.#pool = new BufferPool(device, descriptors + spares, bufferByteLength, registered)
    let ring: DescriptorRing | undefined
    try {
      ring = new DescriptorRing(device, registers, e1000.RECEIVE_RING, descriptors)
      this.#ring = ring
      for (let index = 0; index < descriptors; index++) {
        const buffer = this.#pool.take()!
        this.#slots.push({ buffer, mapping: this.#map(buffer) })
        this.#offer(index)
      }
    } catch (error) {
      closeAll([() => this.#unmapAll(), () => this.#pool[Symbol.dispose](), () => ring?.[Symbol.dispose]()])
      throw error
    }
  }

  /** Gives the card its buffers. */
  start(): void {
    this.#ring.moveTail(this.#ring.length - 1)
  }

  /** The next frame that the card is done with, if there is one. Its place in the ring is the card's again. */
  take(): ReceivedFrame | undefined {
    for (;;) {
      const index = this.#next
      const status = this.#ring.status(index)
      if ((status & e1000.DESCRIPTOR_DONE) === 0) return undefined
      const isLast = (status & e1000.RECEIVED_LAST_PART) !== 0
      const isWhole = isLast && !this.#inPieces && (status & e1000.RECEIVE_ERRORS) === 0
      this.#inPieces = !isLast
      const frame = isWhole ? this.#leave(this.#slots[index]!, this.#ring.byteLength(index)) : undefined
      this.#offer(index)
      this.#next = this.#ring.next(index)
      // The descriptor that was just used is the one that is kept back now.
      this.#ring.moveTail(index)
      if (frame) return frame
      if (isLast) this.statistics.dropped++
    }
  }

  /** Copies a frame and keeps its buffer in place, or hands the buffer up and puts another in its place. */
  #leave(slot: Slot, byteLength: number): ReceivedFrame {
    const { statistics } = this
    const isLong = byteLength > this.#options.copybreak
    const fresh = isLong ? this.#pool.take() : undefined
    const frame = fresh ? this.#handUp(slot, byteLength, fresh) : copyOut(slot, byteLength)
    if (frame.copied) statistics.copied++
    else statistics.handedUp++
    if (frame.copied && isLong) statistics.withoutSpare++
    statistics.frames++
    statistics.bytes += byteLength
    return frame
  }

  #handUp(slot: Slot, byteLength: number, fresh: Uint8Array): ReceivedFrame {
    let mapping: StreamingMapping
    try {
      // The new mapping comes first, since it can fail: the frame is then still in its place.
      mapping = this.#map(fresh)
    } catch (error) {
      this.#pool.put(fresh)
      throw error
    }
    const { buffer, mapping: old } = slot
    slot.buffer = fresh
    slot.mapping = mapping
    old.unmap()
    return new ReceivedFrame(buffer.subarray(0, byteLength), false, () => this.#pool.put(buffer))
  }

  #map(buffer: Uint8Array): StreamingMapping {
    return dmaMapSingle(this.#device, buffer, DmaDirection.FromDevice)
  }

  #offer(index: number): void {
    this.#ring.write(index, this.#slots[index]!.mapping.dmaAddress, 0)
  }

  /** Takes all buffers back. The card has to be stopped. Frames that were handed up and are still out lose their bytes. */
  [Symbol.dispose](): void {
    closeAll([() => this.#unmapAll(), () => this.#pool[Symbol.dispose](), () => this.#ring[Symbol.dispose]()])
  }

  /** A device that was closed has none any more. */
  #unmapAll(): void {
    closeAll(
      this.#slots.map(({ mapping }) => () => {
        if (mapping.mapped) mapping.unmap(DmaAttribute.SkipCpuSync)
      }),
    )
  }
}

/** Sync for the CPU, copy, sync for the device: the mapping stays as it is. Only what the card wrote changes hands. */
function copyOut({ mapping }: Slot, byteLength: number): ReceivedFrame {
  const bytes = mapping.syncForCpu(0, byteLength).slice()
  mapping.syncForDevice(0, byteLength)
  return new ReceivedFrame(bytes, true, () => {})
}
