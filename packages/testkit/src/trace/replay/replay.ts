import { fromBase64 } from '../base64'
import type {
  InterruptEvent,
  MapEvent,
  RegisterEvent,
  SyncEvent,
  TraceEvent,
  UnmapEvent,
} from '../trace-event'
import { type PolledRule, type RunRead, readRuns, recordedValue } from './polls'
import type { ReplayDevice } from './replay-device'
import type { Compared, Divergence } from './replay-trace'

/** How a replay compares. */
export interface ReplayRules {
  readonly ignore: (event: TraceEvent) => boolean
  readonly polled: PolledRule
  /** Virtual milliseconds. */
  readonly patience: number
  readonly coherent: boolean
}

/** Bytes that are shown of those that differ. */
const SHOWN = 16

/** One run through the events of a device. */
export class Replay {
  readonly #events: readonly TraceEvent[]
  readonly #device: ReplayDevice
  readonly #rules: ReplayRules
  readonly #reads: ReadonlyMap<number, RunRead>
  readonly #compared = { registers: 0, bytes: 0, interrupts: 0 }
  /** Mappings that the CPU has now, or has with the device: what is in them is not the device's doing alone. */
  readonly #cpuHas = new Set<number>()
  readonly #maps = new Map<number, MapEvent>()
  readonly #listening = new Set<number>()

  constructor(events: readonly TraceEvent[], device: ReplayDevice, rules: ReplayRules) {
    this.#events = events
    this.#device = device
    this.#rules = rules
    this.#reads = readRuns(events, rules.polled)
  }

  /** How much was compared until now. */
  get compared(): Compared {
    return { ...this.#compared }
  }

  /** Plays until the first divergence. */
  run(): { played: number; divergence?: Divergence } {
    for (const [index, event] of this.#events.entries()) {
      const divergence = this.#play(event, index)
      if (divergence && !this.#rules.ignore(event)) return { played: index + 1, divergence }
    }
    const played = this.#events.length
    const last = this.#events[played - 1]
    const divergence = last && this.#leftOver([...this.#listening], last)
    return divergence ? { played, divergence } : { played }
  }

  #play(event: TraceEvent, index: number): Divergence | undefined {
    if (event.kind === 'register') return this.#access(event, index)
    this.#device.moveTo(event.time)
    switch (event.kind) {
      case 'map':
        return this.#map(event)
      case 'sync':
        return this.#sync(event)
      case 'unmap':
        return this.#unmap(event)
      case 'interrupt':
        return this.#interrupt(event)
      default:
        return undefined
    }
  }

  #access(event: RegisterEvent, index: number): Divergence | undefined {
    const { bar, offset, width, access, time } = event
    const device = this.#device
    device.moveToAccess(time)
    if (access === 'write') {
      device.write(bar, offset, width, recordedValue(event))
      return undefined
    }
    let value = device.read(bar, offset, width)
    if (this.#rules.ignore(event)) return undefined
    this.#compared.registers++
    const { run, read } = this.#reads.get(index)!
    let outcome = run.take(read, value)
    const readAgain = () => {
      value = device.read(bar, offset, width)
      outcome = run.take(read, value)
      return outcome !== 'late'
    }
    if (outcome === 'late') device.waitFor(readAgain, this.#rules.patience)
    if (outcome === 'agrees') return undefined
    const what = `the ${width}-bit register at 0x${offset.toString(16)} of BAR ${bar} reads differently`
    return { n: event.n, event, what, expected: hex(recordedValue(event)), actual: hex(value) }
  }

  #map(event: MapEvent): undefined {
    const { mapping, address, byteLength, family, bytes } = event
    // What is mapped of another device's registers is not in the trace.
    if (family === 'resource') return
    const memory = new Uint8Array(byteLength)
    if (bytes !== undefined) memory.set(fromBase64(bytes).subarray(0, byteLength))
    this.#maps.set(mapping, event)
    this.#device.memory.map(mapping, Number(address), memory)
  }

  #sync(event: SyncEvent): Divergence | undefined {
    const { mapping } = event
    const isShared = this.#maps.get(mapping)?.family === 'coherent'
    let divergence: Divergence | undefined
    if (event.for === 'cpu' && (!isShared || this.#rules.coherent)) divergence = this.#compare(event)
    if (event.for === 'device' || isShared) this.#give(event)
    if (event.for === 'cpu') this.#cpuHas.add(mapping)
    else this.#cpuHas.delete(mapping)
    return divergence
  }

  #unmap(event: UnmapEvent): Divergence | undefined {
    const divergence = this.#compare(event)
    this.#device.memory.unmap(event.mapping)
    this.#cpuHas.delete(event.mapping)
    this.#maps.delete(event.mapping)
    return divergence
  }

  /** The device gets what the CPU wrote. */
  #give({ mapping, address, byteLength, bytes }: SyncEvent): void {
    const target = this.#device.memory.bytesOf(mapping, Number(address), byteLength)
    if (bytes !== undefined) target.set(fromBase64(bytes).subarray(0, target.byteLength))
  }

  /** Whether the device wrote what was recorded, or does so while time passes. */
  #compare(event: SyncEvent | UnmapEvent): Divergence | undefined {
    const { mapping, address, byteLength, bytes } = event
    const direction = this.#maps.get(mapping)?.direction
    if (bytes === undefined || direction === undefined || direction === 'to-device') return undefined
    if (this.#cpuHas.has(mapping) || this.#rules.ignore(event)) return undefined
    const recorded = fromBase64(bytes)
    this.#compared.bytes += recorded.byteLength
    const written = this.#device.memory.bytesOf(mapping, Number(address), byteLength)
    const first = () => recorded.findIndex((byte, index) => byte !== written[index])
    if (this.#device.waitFor(() => first() < 0, this.#rules.patience)) return undefined
    const at = first()
    const where = hex(BigInt(address) + BigInt(at))
    const what = `the device wrote other bytes at ${where}, ${at} bytes into what the CPU gets`
    return { n: event.n, event, what, expected: shown(recorded, at), actual: shown(written, at) }
  }

  #interrupt(event: InterruptEvent): Divergence | undefined {
    const { vector, count, stage } = event
    const device = this.#device
    switch (stage) {
      case 'enabled':
        this.#listening.add(vector)
        device.listen(vector, true)
        return undefined
      case 'disabled': {
        const divergence = this.#leftOver([vector], event)
        this.#listening.delete(vector)
        device.listen(vector, false)
        return divergence
      }
      case 'delivered': {
        device.expect(vector)
        const came = device.waitFor(() => device.pending(vector) >= count, this.#rules.patience)
        const actual = device.pending(vector)
        device.take(vector, Math.min(count, actual))
        this.#compared.interrupts += count
        if (came) return undefined
        const what = `interrupts of vector ${vector} do not come`
        return { n: event.n, event, what, expected: String(count), actual: String(actual) }
      }
      default:
        return undefined
    }
  }

  /** Interrupts that came, and of which the recorded driver was not told. */
  #leftOver(vectors: readonly number[], event: TraceEvent): Divergence | undefined {
    const vector = vectors.find((one) => this.#device.pending(one) > 0)
    if (vector === undefined) return undefined
    const what = `interrupts of vector ${vector} come that did not`
    return { n: event.n, event, what, expected: '0', actual: String(this.#device.pending(vector)) }
  }
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`
}

function shown(bytes: Uint8Array, from: number): string {
  const some = Array.from(bytes.subarray(from, from + SHOWN), (byte) => byte.toString(16).padStart(2, '0'))
  return some.length === 0 ? 'none' : some.join(' ')
}
