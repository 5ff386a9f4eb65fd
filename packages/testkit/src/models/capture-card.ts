import { checkInteger, checkOptionNames } from '../arguments'
import type { Behaviour, DeviceInside } from '../define/behaviour'
import { defineDevice } from '../define/define-device'
import type { DefinedDevice } from '../define/defined-device'
import type { DescriptorRing } from '../define/descriptor-ring'
import type { InterruptCauses } from '../define/interrupt-causes'
import type { StructValuesOf } from '../define/struct-layout'
import type { TransferEngine } from '../define/transfer-engine'
import { invalidArgument } from '../errors'
import {
  captureCardDescription,
  captureCause,
  captureDescriptor,
  captureStatus,
} from './capture-card-registers'

/** How a card made by {@link createCaptureCard} is built. */
export interface CaptureCardOptions {
  /** Bytes of a frame; 4096 by default. */
  readonly frameBytes?: number
  /** Frames of a virtual second; 50 by default. */
  readonly framesPerSecond?: number
  /** What the bus takes in a virtual millisecond; by default a frame takes half of its time. */
  readonly bytesPerMillisecond?: number
}

/** What a test does to a capture card. */
export interface CaptureCardSide {
  /** The next frame, one for each call, in the place of the test pattern. It may have any length. */
  frame(bytes: Uint8Array): void
  /** Plugs the camera in or out. Without it no frames come, and none is counted as lost. */
  setSignal(present: boolean): void
}

type Description = typeof captureCardDescription

/** A frame before it is in memory. */
interface Frame {
  readonly number: number
  /** Nanoseconds. */
  readonly timestamp: bigint
  readonly bytes: Uint8Array
}

const MOST_FRAME_BYTES = 64 * 1024 * 1024
const MOST_FRAMES_PER_SECOND = 100_000
/** A ring whose tail is where its head is is empty: one of a single descriptor would always be. */
const LEAST_ENTRIES = 2
const NANOSECONDS = 1e6
const RUN = 1

class CaptureBehaviour implements Behaviour<Description, CaptureCardSide> {
  readonly onWrite: Behaviour<Description, CaptureCardSide>['onWrite'] = {
    control: (written, { previous }) => {
      if ((written & RUN) !== (previous & RUN)) this.#control((written & RUN) === RUN)
    },
    ringTail: (tail) => {
      if (tail >= this.#device.registers.ringEntries.value)
        this.#device.log(`the tail ${tail} is not in the ring`)
    },
  }
  readonly side: CaptureCardSide = {
    frame: (bytes) => {
      this.#scripted.push(bytes.slice())
    },
    setSignal: (present) => {
      this.#signal = present
      this.#describe()
    },
  }
  readonly #device: DeviceInside<Description>
  readonly #frameBytes: number
  /** Milliseconds from one frame to the next. */
  readonly #interval: number
  readonly #memory: TransferEngine
  readonly #ring: DescriptorRing<StructValuesOf<typeof captureDescriptor>>
  readonly #causes: InterruptCauses
  readonly #scripted: Uint8Array[] = []
  #signal = true
  #sequence = 0
  /** Frames since the last interrupt for them. */
  #quiet = 0
  /** Counts starts and stops, so that a frame of the run before does not come. */
  #run = 0

  constructor(device: DeviceInside<Description>, options: Required<CaptureCardOptions>) {
    const { registers } = device
    this.#device = device
    this.#frameBytes = options.frameBytes
    this.#interval = 1000 / options.framesPerSecond
    this.#memory = device.engine({ bytesPerMillisecond: options.bytesPerMillisecond })
    this.#ring = device.ring(captureDescriptor, {
      base: () => registers.ringBase.value,
      entries: () => registers.ringEntries.value,
    })
    this.#causes = device.causes({ status: registers.interruptStatus, enable: registers.interruptEnable })
    this.#describe()
  }

  reset(): void {
    this.#run++
    this.#quiet = 0
    this.#sequence = 0
    this.#describe()
  }

  #describe(): void {
    const { registers } = this.#device
    registers.frameBytes.value = this.#frameBytes
    registers.frameNanoseconds.value = Math.round(this.#interval * NANOSECONDS)
    registers.status.fields.signal = this.#signal ? 1 : 0
  }

  #control(run: boolean): void {
    const { registers, log } = this.#device
    const entries = registers.ringEntries.value
    this.#run++
    // The frame under way still gets into its buffer: only then may the driver take that away.
    if (!run) this.#finishStop()
    else if (registers.status.fields.running === 1) log('it is started before it has stopped')
    else if (entries < LEAST_ENTRIES) {
      log(`a ring of ${entries} descriptors has no room: ${LEAST_ENTRIES} at least`)
      registers.control.fields.run = 0
    } else this.#start()
  }

  #start(): void {
    const { registers } = this.#device
    this.#ring.reset()
    this.#sequence = 0
    registers.ringHead.value = 0
    registers.sequence.value = 0
    registers.status.fields.running = 1
    this.#tick(this.#run)
  }

  #finishStop(): void {
    const { control, status } = this.#device.registers
    if (control.fields.run === 1 || status.fields.running === 0 || this.#memory.busy) return
    status.fields.running = 0
    this.#causes.raise(captureCause.stopped)
  }

  #tick(run: number): void {
    this.#device.schedule(this.#interval, () => {
      if (run !== this.#run) return
      if (this.#signal) this.#capture(this.#expose())
      this.#tick(run)
    })
  }

  /** What the camera shows: what was scripted, else number and time of the frame, and a pattern that depends on it. */
  #expose(): Frame {
    const number = this.#sequence
    const timestamp = BigInt(Math.round(this.#device.now() * NANOSECONDS))
    this.#sequence = (number + 1) >>> 0
    this.#device.registers.sequence.value = this.#sequence
    const bytes = this.#scripted.shift() ?? testPattern(this.#frameBytes, number, timestamp)
    return { number, timestamp, bytes }
  }

  #capture(frame: Frame): void {
    const { registers, log } = this.#device
    if (this.#memory.busy) {
      log(`frame ${frame.number} is lost: the one before is still on its way`)
      this.#overrun()
      return
    }
    const entry = this.#ring.take(registers.ringTail.value)
    registers.ringHead.value = this.#ring.head
    if (entry === undefined) this.#overrun()
    else if (entry.values === undefined) {
      log(`descriptor ${entry.index} cannot be read`)
      this.#causes.raise(captureCause.fault)
    } else this.#deliver(entry.index, entry.values, frame)
  }

  #overrun(): void {
    this.#device.registers.overruns.value++
    this.#causes.raise(captureCause.overrun)
  }

  /** Writes a frame into a buffer, and the descriptor back when all of it is there. */
  #deliver(index: number, buffer: { address: bigint; byteLength: number }, frame: Frame): void {
    const fits = frame.bytes.subarray(0, buffer.byteLength)
    this.#memory.write(buffer.address, fits, (complete) => {
      const truncated = fits.byteLength < frame.bytes.byteLength ? captureStatus.truncated : 0
      const fault = complete ? 0 : captureStatus.fault
      const told = this.#ring.writeBack(index, {
        filled: complete ? fits.byteLength : 0,
        sequence: frame.number,
        timestamp: frame.timestamp,
        status: captureStatus.done | truncated | fault,
      })
      if (complete && told) this.#count()
      else this.#causes.raise(captureCause.fault)
      this.#finishStop()
    })
  }

  #count(): void {
    const { registers, schedule } = this.#device
    registers.captured.value++
    this.#quiet++
    const patience = registers.coalesceMicroseconds.value / 1000
    if (this.#quiet >= registers.coalesce.value) this.#interrupt()
    else if (this.#quiet === 1 && patience > 0) {
      schedule(patience, () => {
        if (this.#quiet > 0) this.#interrupt()
      })
    }
  }

  #interrupt(): void {
    this.#quiet = 0
    this.#causes.raise(captureCause.frame)
  }
}

function testPattern(byteLength: number, number: number, timestamp: bigint): Uint8Array {
  const bytes = new Uint8Array(byteLength).fill(number & 0xff)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, number, true)
  view.setBigUint64(8, timestamp, true)
  return bytes
}

const makeCard = defineDevice(
  captureCardDescription,
  (device, options: Required<CaptureCardOptions>) => new CaptureBehaviour(device, options),
)

/**
 * Makes a capture card, as frame grabbers are: the driver gives buffers by a ring of descriptors, the card fills one for
 * each frame, at its own rate, whether or not there is a buffer. A frame that finds none is dropped and counted; its
 * number is missing in the sequence.
 *
 * Writing 0 to `control` stops the card after the frame under way: `status.running` and the cause `stopped` tell when the
 * buffers are the driver's again.
 * @throws `DMA_INVALID_ARGUMENT`
 * @example
 * ```ts
 * const camera = machine.addDevice(createCaptureCard({ frameBytes: 640 * 480, framesPerSecond: 30 }))
 * camera.side.frame(new Uint8Array(640 * 480).fill(0x80))
 * ```
 */
export function createCaptureCard(options: CaptureCardOptions = {}): CaptureCard {
  checkOptionNames(options, ['frameBytes', 'framesPerSecond', 'bytesPerMillisecond'], 'createCaptureCard')
  const { frameBytes = 4096, framesPerSecond = 50 } = options
  checkInteger(frameBytes, 'frameBytes', 16, MOST_FRAME_BYTES)
  if (!(framesPerSecond > 0 && framesPerSecond <= MOST_FRAMES_PER_SECOND)) {
    invalidArgument(
      `framesPerSecond is ${String(framesPerSecond)}`,
      `give a number above 0, up to ${MOST_FRAMES_PER_SECOND}`,
    )
  }
  const { bytesPerMillisecond = (frameBytes * framesPerSecond) / 500 } = options
  return makeCard({ frameBytes, framesPerSecond, bytesPerMillisecond })
}

/** A frame grabber: see {@link createCaptureCard}. */
export type CaptureCard = DefinedDevice<Description, CaptureCardSide>
