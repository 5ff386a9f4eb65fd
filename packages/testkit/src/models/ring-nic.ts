import { checkOptionNames } from '../arguments'
import { defineDevice } from '../define/define-device'
import type { DefinedDevice } from '../define/defined-device'
import type { InterruptCauses } from '../define/interrupt-causes'
import { invalidArgument } from '../errors'
import { NicReceiver } from './ring-nic-receive'
import { type NicBehaviour, type NicInside, nicCause, ringNicDescription } from './ring-nic-registers'
import { NicTransmitter } from './ring-nic-transmit'

/** How a card made by {@link createRingNic} is built. */
export interface RingNicOptions {
  /** Six bytes; `52:54:00:00:00:01` by default. */
  readonly macAddress?: readonly number[]
  /** What the wire takes in a virtual millisecond; 125,000 by default, a gigabit in a second. */
  readonly bytesPerMillisecond?: number
}

/** What a test does to a network card. */
export interface RingNicSide {
  /** A frame comes from the wire. False where the card has no place for it now, and drops it. */
  receive(frame: Uint8Array): boolean
  /** Has `listener` told of each frame that goes out on the wire. */
  onTransmit(listener: (frame: Uint8Array) => void): void
  /** Plugs the cable in or out. It is in at the start. */
  setLink(up: boolean): void
  /** Puts a cable between two cards: each receives what the other sends. */
  connect(peer: { readonly side: RingNicSide }): void
}

const GIGABIT = 125_000

class NicParts implements NicBehaviour<RingNicSide> {
  readonly onWrite: NicBehaviour<RingNicSide>['onWrite'] = {
    control: () => this.#transmitter.run(),
    transmitTail: (tail) => {
      this.#checkTail(tail, this.#device.registers.transmitEntries.value, 'transmit')
      this.#transmitter.run()
    },
    receiveTail: (tail) => this.#checkTail(tail, this.#device.registers.receiveEntries.value, 'receive'),
  }
  readonly side: RingNicSide = {
    receive: (frame) => this.#receiver.receive(frame.slice()),
    onTransmit: (listener) => {
      this.#listeners.push(listener)
    },
    setLink: (up) => {
      if (this.#link === up) return
      this.#link = up
      this.#describe()
      this.#causes.raise(nicCause.link)
    },
    connect: (peer) => {
      this.side.onTransmit((frame) => peer.side.receive(frame))
      peer.side.onTransmit((frame) => this.side.receive(frame))
    },
  }
  readonly #device: NicInside
  readonly #macAddress: readonly number[]
  readonly #causes: InterruptCauses
  readonly #receiver: NicReceiver
  readonly #transmitter: NicTransmitter
  readonly #listeners: ((frame: Uint8Array) => void)[] = []
  #link = true

  constructor(device: NicInside, { macAddress, bytesPerMillisecond }: Required<RingNicOptions>) {
    const { registers } = device
    this.#device = device
    this.#macAddress = macAddress
    this.#causes = device.causes({ status: registers.interruptStatus, enable: registers.interruptEnable })
    this.#receiver = new NicReceiver(device, this.#causes, bytesPerMillisecond)
    this.#transmitter = new NicTransmitter(device, this.#causes, bytesPerMillisecond, (frame) =>
      this.#send(frame),
    )
    this.#describe()
  }

  reset(): void {
    this.#transmitter.reset()
    this.#describe()
  }

  #describe(): void {
    const { status, macLow, macHigh } = this.#device.registers
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = this.#macAddress
    macLow.value = a | (b << 8) | (c << 16) | (d << 24)
    macHigh.value = e | (f << 8)
    status.fields.link = this.#link ? 1 : 0
  }

  #send(frame: Uint8Array): void {
    const { registers } = this.#device
    if (!this.#link) {
      registers.framesDropped.value++
      this.#causes.raise(nicCause.dropped)
      return
    }
    registers.framesSent.value++
    if (registers.control.fields.loopback === 1) this.#receiver.receive(frame)
    else for (const listener of this.#listeners) listener(frame)
  }

  #checkTail(tail: number, entries: number, ring: string): void {
    if (tail >= entries)
      this.#device.log(`the ${ring} tail ${tail} is not in the ring of ${entries} descriptors`)
  }
}

const makeNic = defineDevice(
  ringNicDescription,
  (device, options: Required<RingNicOptions>) => new NicParts(device, options),
)

/**
 * Makes a network card with a receive and a transmit ring, doorbells, counters and a link: simpler than
 * {@link E1000Device}, for drivers of no particular card.
 * @throws `DMA_INVALID_ARGUMENT`
 * @example
 * ```ts
 * const card = machine.addDevice(createRingNic())
 * card.side.onTransmit((frame) => sent.push(frame))
 * card.side.receive(new Uint8Array(60))
 * ```
 */
export function createRingNic(options: RingNicOptions = {}): RingNic {
  checkOptionNames(options, ['macAddress', 'bytesPerMillisecond'], 'createRingNic')
  const { macAddress = [0x52, 0x54, 0, 0, 0, 1], bytesPerMillisecond = GIGABIT } = options
  if (macAddress.length !== 6 || !macAddress.every((byte) => (byte & 0xff) === byte)) {
    invalidArgument('macAddress is six bytes')
  }
  return makeNic({ macAddress: [...macAddress], bytesPerMillisecond })
}

/** A network card: see {@link createRingNic}. */
export type RingNic = DefinedDevice<typeof ringNicDescription, RingNicSide>
