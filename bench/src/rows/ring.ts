import {
  createDmaRegion,
  DmaDirection,
  type DmaRegion,
  dmaAllocCoherent,
  lowerHalf,
  type MappingHandle,
  toNumber,
  upperHalf,
} from '@linux-dma/core'
import { createDevice } from '../fixtures'
import { nanosecondsPerOperation, pair } from '../pair'
import type { Reference } from '../reference'
import type { Row } from '../row'

const SLOTS = 64
const BUFFERS = 2 * SLOTS
const PACKET = 2048
const BATCH = 32
const COUNT = 2_000_000
const DESCRIPTOR_BYTES = 16

/** Words of a descriptor. Members of an enumeration, whose values a bundler writes into the code. */
enum Word {
  Low = 0,
  High = 1,
  Length = 2,
  Status = 3,
}
const DONE = 1
const TOUCHED = 48

/** Forwarding packets from one descriptor ring to another: see native/ring.c for what C does. */
export function ringRows(reference: Reference): Row[] {
  return [
    {
      name: 'ring forwarder, per packet',
      unit: 'ns',
      measure(context) {
        const rx = new Uint32Array(SLOTS * 4)
        const tx = new Uint32Array(SLOTS * 4)
        const packets = new Uint8Array(BUFFERS * PACKET)
        return pair(
          context,
          nanosecondsPerOperation(
            (count) => reference.forwardPackets(rx, tx, packets, 0x1_2340_0000, count),
            COUNT,
          ),
          nanosecondsPerOperation(arrayForwarder(), COUNT),
        )
      },
    },
    {
      name: 'ring forwarder, beside objects and bigints',
      unit: 'ns',
      measure: (context) =>
        pair(
          context,
          nanosecondsPerOperation(objectForwarder(), COUNT),
          nanosecondsPerOperation(arrayForwarder(), COUNT),
        ),
    },
  ]
}

/** Coherent memory for both rings, and a region with the buffers. */
function createParts(): { rx: Uint32Array; tx: Uint32Array; region: DmaRegion } {
  const device = createDevice()
  const ring = () => {
    const { bytes } = dmaAllocCoherent(device, SLOTS * DESCRIPTOR_BYTES)
    return new Uint32Array(bytes.buffer, bytes.byteOffset, SLOTS * 4)
  }
  return { rx: ring(), tx: ring(), region: createDmaRegion(device, { byteLength: BUFFERS * PACKET }) }
}

/** Every buffer is mapped once, and lent to the CPU while a packet is looked at. */
function arrayForwarder(): (count: number) => void {
  const { rx, tx, region } = createParts()
  const packets = region.bytes
  const handles: MappingHandle[] = []
  const low = new Uint32Array(BUFFERS)
  const high = new Uint32Array(BUFFERS)
  for (let buffer = 0; buffer < BUFFERS; buffer++) {
    const handle = region.mapSingle(buffer * PACKET, PACKET, DmaDirection.Bidirectional)
    const address = region.addressOf(handle)
    handles.push(handle)
    low[buffer] = lowerHalf(address)
    high[buffer] = upperHalf(address)
  }
  const rxBuffers = Uint32Array.from({ length: SLOTS }, (_, slot) => slot)
  const txBuffers = new Uint32Array(SLOTS)
  const spare = Uint32Array.from({ length: BUFFERS }, (_, index) => SLOTS + index)
  let spares = SLOTS
  let head = 0

  function forwardBatch(): void {
    const end = head + BATCH
    for (let at = head; at < end; at++) rx[((at & (SLOTS - 1)) << 2) | Word.Status] = DONE
    for (let at = head; at < end; at++) {
      const slot = at & (SLOTS - 1)
      const base = slot << 2
      if (tx[base | Word.Status] === DONE) spare[spares++] = txBuffers[slot]!
      if (rx[base | Word.Status] !== DONE) return
      const buffer = rxBuffers[slot]!
      const fresh = spare[--spares]!
      rxBuffers[slot] = fresh
      rx[base] = low[fresh]!
      rx[base | Word.High] = high[fresh]!
      rx[base | Word.Length] = 0
      rx[base | Word.Status] = 0
      const handle = handles[buffer]!
      region.syncForCpu(handle)
      const touched = buffer * PACKET + TOUCHED
      packets[touched] = packets[touched]! + 1
      region.syncForDevice(handle)
      txBuffers[slot] = buffer
      tx[base] = low[buffer]!
      tx[base | Word.High] = high[buffer]!
      tx[base | Word.Length] = 64
      tx[base | Word.Status] = 0
    }
    for (let at = head; at < end; at++) tx[((at & (SLOTS - 1)) << 2) | Word.Status] = DONE
    head = end & 0x3fff_ffff
  }
  return (count) => {
    for (let done = 0; done < count; done += BATCH) forwardBatch()
  }
}

/** What a driver in JavaScript is often like: an object for each descriptor and packet, addresses as bigints. */
function objectForwarder(): (count: number) => void {
  const { rx, tx, region } = createParts()
  const start = BigInt(toNumber(region.dmaAddress))
  const rxAddresses = new BigUint64Array(rx.buffer, rx.byteOffset, SLOTS * 2)
  const txAddresses = new BigUint64Array(tx.buffer, tx.byteOffset, SLOTS * 2)
  class Descriptor {
    readonly #words: Uint32Array
    readonly #addresses: BigUint64Array
    readonly #slot: number
    constructor(words: Uint32Array, addresses: BigUint64Array, slot: number) {
      this.#words = words
      this.#addresses = addresses
      this.#slot = slot
    }
    get done(): boolean {
      return this.#words[this.#slot * 4 + Word.Status] === DONE
    }
    give(packet: Packet, byteLength: number): void {
      this.#addresses[this.#slot * 2] = packet.address
      this.#words[this.#slot * 4 + Word.Length] = byteLength
      this.#words[this.#slot * 4 + Word.Status] = 0
    }
  }
  interface Packet {
    readonly bytes: Uint8Array
    readonly address: bigint
  }
  const packet = (index: number): Packet => ({
    bytes: region.bytes.subarray(index * PACKET, (index + 1) * PACKET),
    address: start + BigInt(index * PACKET),
  })
  const rxPackets = Array.from({ length: SLOTS }, (_, slot) => packet(slot))
  const txPackets = new Array<Packet | undefined>(SLOTS).fill(undefined)
  const spare = Array.from({ length: SLOTS }, (_, index) => packet(SLOTS + index))
  let head = 0

  function receive(): Packet[] {
    const received: Packet[] = []
    for (let i = 0; i < BATCH; i++) {
      const slot = (head + i) % SLOTS
      const descriptor = new Descriptor(rx, rxAddresses, slot)
      if (!descriptor.done) break
      received.push({ ...rxPackets[slot]! })
      const fresh = spare.pop()!
      rxPackets[slot] = fresh
      descriptor.give(fresh, 0)
    }
    return received
  }
  function send(sent: Packet[]): void {
    sent.forEach((one, i) => {
      const slot = (head + i) % SLOTS
      const descriptor = new Descriptor(tx, txAddresses, slot)
      descriptor.give(one, 64)
      txPackets[slot] = one
    })
  }
  function clean(): void {
    for (let i = 0; i < BATCH; i++) {
      const slot = (head + i) % SLOTS
      const old = txPackets[slot]
      if (old && new Descriptor(tx, txAddresses, slot).done) spare.push(old)
    }
  }
  return (count) => {
    for (let done = 0; done < count; done += BATCH) {
      for (let i = 0; i < BATCH; i++) rx[((head + i) % SLOTS) * 4 + Word.Status] = DONE
      clean()
      const received = receive()
      for (const { bytes } of received) bytes[TOUCHED] = bytes[TOUCHED]! + 1
      send(received)
      for (let i = 0; i < BATCH; i++) tx[((head + i) % SLOTS) * 4 + Word.Status] = DONE
      head = (head + BATCH) % SLOTS
    }
  }
}
