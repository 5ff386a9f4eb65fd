import type { DescriptorRing } from '../define/descriptor-ring'
import type { InterruptCauses } from '../define/interrupt-causes'
import type { TransferEngine } from '../define/transfer-engine'
import {
  NIC_END_OF_FRAME,
  type NicDescriptor,
  type NicInside,
  nicCause,
  nicDescriptor,
  nicStatus,
} from './ring-nic-registers'

/** The longest frame that is put together: a driver that never says which part is the last does not get more. */
const MOST_FRAME_BYTES = 0x1_0000

/** The sending side: takes descriptors up to the tail, one after the other, at the rate of the wire. */
export class NicTransmitter {
  readonly #device: NicInside
  readonly #causes: InterruptCauses
  readonly #engine: TransferEngine
  readonly #ring: DescriptorRing<NicDescriptor>
  readonly #send: (frame: Uint8Array) => void
  #parts: Uint8Array[] = []

  constructor(
    device: NicInside,
    causes: InterruptCauses,
    bytesPerMillisecond: number,
    send: (frame: Uint8Array) => void,
  ) {
    const { registers } = device
    this.#device = device
    this.#causes = causes
    this.#engine = device.engine({ bytesPerMillisecond })
    this.#send = send
    this.#ring = device.ring(nicDescriptor, {
      base: () => registers.transmitBase.value,
      entries: () => registers.transmitEntries.value,
    })
  }

  reset(): void {
    this.#parts = []
  }

  /** Goes on with the ring, if it is not at it: the doorbell was rung, or sending was switched on. */
  run(): void {
    const { registers, log } = this.#device
    if (registers.control.fields.transmit === 0 || this.#engine.busy) return
    const entry = this.#ring.take(registers.transmitTail.value)
    registers.transmitHead.value = this.#ring.head
    registers.status.fields.transmitting = entry === undefined ? 0 : 1
    if (entry === undefined) return
    if (entry.values !== undefined) this.#fetch(entry.index, entry.values)
    else {
      // There is no going on: what comes next in the ring may be anything.
      log(`transmit descriptor ${entry.index} cannot be read`)
      registers.control.fields.transmit = 0
      registers.status.fields.transmitting = 0
      this.#causes.raise(nicCause.fault)
    }
  }

  #fetch(index: number, { address, byteLength, flags }: NicDescriptor): void {
    this.#engine.read(address, byteLength, (bytes, complete) => {
      if (complete) this.#parts.push(bytes)
      const last = (flags & NIC_END_OF_FRAME) !== 0
      if (last || !complete) this.#finishFrame(complete)
      const status = nicStatus.done | (complete ? 0 : nicStatus.fault)
      const told = this.#ring.writeBack(index, { status })
      if (!complete || !told) this.#causes.raise(nicCause.fault)
      if (last) this.#causes.raise(nicCause.sent)
      this.run()
    })
  }

  #finishFrame(complete: boolean): void {
    const parts = this.#parts
    this.#parts = []
    if (!complete) return
    const byteLength = parts.reduce((sum, part) => sum + part.byteLength, 0)
    if (byteLength > MOST_FRAME_BYTES) {
      this.#device.log(`a frame of ${byteLength} bytes is not sent: ${MOST_FRAME_BYTES} at most`)
      return
    }
    const frame = new Uint8Array(byteLength)
    let at = 0
    for (const part of parts) {
      frame.set(part, at)
      at += part.byteLength
    }
    this.#send(frame)
  }
}
