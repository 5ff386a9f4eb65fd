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

/** A buffer that a part of a frame goes to. */
interface Part {
  readonly index: number
  readonly address: bigint
  readonly bytes: Uint8Array
}

/** The receiving side: frames go into as many buffers as they take, or nowhere. */
export class NicReceiver {
  readonly #device: NicInside
  readonly #causes: InterruptCauses
  readonly #engine: TransferEngine
  readonly #ring: DescriptorRing<NicDescriptor>

  constructor(device: NicInside, causes: InterruptCauses, bytesPerMillisecond: number) {
    const { registers } = device
    this.#device = device
    this.#causes = causes
    this.#engine = device.engine({ bytesPerMillisecond })
    this.#ring = device.ring(nicDescriptor, {
      base: () => registers.receiveBase.value,
      entries: () => registers.receiveEntries.value,
    })
  }

  /** A frame comes. False where there is no place for it: it is dropped and counted. */
  receive(frame: Uint8Array): boolean {
    const { registers } = this.#device
    const { control, status } = registers
    const parts = status.fields.link === 1 && control.fields.receive === 1 ? this.#findRoom(frame) : undefined
    if (parts === undefined) {
      registers.framesDropped.value++
      this.#causes.raise(nicCause.dropped)
      return false
    }
    this.#ring.head = (this.#ring.head + parts.length) % registers.receiveEntries.value
    registers.receiveHead.value = this.#ring.head
    parts.forEach((part, at) => {
      this.#store(part, at === parts.length - 1)
    })
    return true
  }

  /** The buffers that a frame fits into; undefined, with none of them taken, where there are too few. */
  #findRoom(frame: Uint8Array): Part[] | undefined {
    const { registers } = this.#device
    const available = this.#ring.available(registers.receiveTail.value)
    const parts: Part[] = []
    let placed = 0
    while (placed < frame.byteLength && parts.length < available) {
      const index = (this.#ring.head + parts.length) % registers.receiveEntries.value
      const values = this.#ring.read(index)
      if (values === undefined) {
        this.#device.log(`receive descriptor ${index} cannot be read`)
        this.#causes.raise(nicCause.fault)
        return undefined
      }
      const { address, byteLength } = values
      parts.push({ index, address, bytes: frame.subarray(placed, placed + byteLength) })
      placed += byteLength
    }
    return placed >= frame.byteLength && parts.length > 0 ? parts : undefined
  }

  #store({ index, address, bytes }: Part, last: boolean): void {
    this.#engine.write(address, bytes, (complete) => {
      const told = this.#ring.writeBack(index, {
        byteLength: bytes.byteLength,
        flags: last ? NIC_END_OF_FRAME : 0,
        status: nicStatus.done | (complete ? 0 : nicStatus.fault),
      })
      if (!complete || !told) this.#causes.raise(nicCause.fault)
      if (!last) return
      this.#device.registers.framesReceived.value++
      this.#causes.raise(nicCause.received)
    })
  }
}
