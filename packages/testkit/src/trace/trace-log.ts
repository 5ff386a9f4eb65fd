import type { Clock, DmaEventDirection, DmaEventFamily, DmaEvents } from '@linux-dma/native'
import { decodeEvent, directions, families, stages, type TakenBytes } from './decode-event'
import { EventCode, EventRing } from './event-ring'
import { misuseOf } from './misuse'
import { saveTrace } from './save-trace'
import type { InterruptStage, LiveTrace, Trace, TraceEvent } from './trace-event'

/** Whose trace it is, and how much of it is kept. */
export interface TraceLogOptions {
  readonly clock: Clock
  /** `kernel.name`. */
  readonly machine: string
  readonly seed?: number
  /** Events that are kept, 1 or more. */
  readonly limit: number
  /** Has the bytes of mappings noted, too: makes text of them. */
  readonly take?: (bytes: Uint8Array) => TakenBytes
}

/** Notes what happens on a machine, and shows it as a {@link Trace}. */
export class TraceLog implements LiveTrace, DmaEvents {
  readonly version = 1
  readonly machine: string
  readonly seed?: number
  /** Whether bytes are wanted. */
  readonly bytes: boolean
  readonly #clock: Clock
  readonly #ring: EventRing
  readonly #take: ((bytes: Uint8Array) => TakenBytes) | undefined
  #start: number
  #lastMapping = 0

  constructor({ clock, machine, seed, limit, take }: TraceLogOptions) {
    this.machine = machine
    if (seed !== undefined) this.seed = seed
    this.bytes = take !== undefined
    this.#clock = clock
    this.#ring = new EventRing(limit)
    this.#take = take
    this.#start = clock.now()
  }

  get events(): readonly TraceEvent[] {
    const { first, count } = this.#ring
    return Array.from({ length: count - first }, (_, index) =>
      decodeEvent(first + index, this.#ring.at(first + index)),
    )
  }

  get dropped(): number {
    return this.#ring.first
  }

  clear(): void {
    this.#ring.clear()
    this.#start = this.#clock.now()
  }

  toJSON(): Trace {
    const { version, machine, seed, events, dropped } = this
    return { version, machine, ...(seed === undefined ? {} : { seed }), events, dropped }
  }

  save(): string {
    return saveTrace(this)
  }

  note(message: string, device = ''): void {
    this.#push(EventCode.Note, device, 0, 0, 0, 0, message)
  }

  onMap(
    device: string,
    address: number,
    byteLength: number,
    direction: DmaEventDirection,
    family: DmaEventFamily,
    at: string | undefined,
    bytes: Uint8Array | undefined,
  ): number {
    const mapping = ++this.#lastMapping
    const taken = this.#taken(bytes)
    const detail = taken === undefined ? at : { ...(at === undefined ? {} : { at }), ...taken }
    const kind = (directions.indexOf(direction) << 3) | families.indexOf(family)
    this.#push(EventCode.Map, device, mapping, address, byteLength, kind, detail)
    return mapping
  }

  onSync(
    device: string,
    mapping: number,
    to: 'cpu' | 'device',
    address: number,
    byteLength: number,
    bytes: Uint8Array | undefined,
  ): void {
    const side = to === 'cpu' ? 0 : 1
    this.#push(EventCode.Sync, device, mapping, address, byteLength, side, this.#taken(bytes))
  }

  onUnmap(
    device: string,
    mapping: number,
    address: number,
    byteLength: number,
    bytes: Uint8Array | undefined,
  ): void {
    this.#push(EventCode.Unmap, device, mapping, address, byteLength, 0, this.#taken(bytes))
  }

  /** A register was read, or is about to be written. */
  register(
    device: string,
    access: 'read' | 'write',
    bar: number,
    byteOffset: number,
    width: 8 | 16 | 32 | 64,
    value: number | bigint,
    name?: string,
  ): void {
    const code = access === 'read' ? EventCode.RegisterRead : EventCode.RegisterWrite
    const isLong = width === 64
    const low = isLong ? Number(BigInt(value) & 0xffff_ffffn) : Number(value)
    const high = isLong ? Number(BigInt(value) >> 32n) : 0
    this.#push(code, device, (bar << 8) | width, byteOffset, low, high, name)
  }

  /** The device accesses memory. */
  dma(device: string, access: 'read' | 'write', address: number, byteLength: number): void {
    this.#push(EventCode.Dma, device, access === 'read' ? 0 : 1, address, byteLength, 0, undefined)
  }

  /** An access of the device was refused. */
  fault(device: string, access: 'read' | 'write', address: number, byteLength: number): void {
    this.#push(EventCode.Fault, device, access === 'read' ? 0 : 1, address, byteLength, 0, undefined)
  }

  interrupt(device: string, vector: number, count: number, stage: InterruptStage): void {
    this.#push(EventCode.Interrupt, device, vector, count, stages.indexOf(stage), 0, undefined)
  }

  /** The DMA API was misused. @param report a DmaReport of core, whichever copy of it is loaded */
  misuse(report: Error): void {
    const { device, ...detail } = misuseOf(report)
    this.#push(EventCode.Misuse, device, 0, 0, 0, 0, detail)
  }

  #push(code: EventCode, device: string, a: number, b: number, c: number, d: number, detail: unknown): void {
    this.#ring.push(code, this.#clock.now() - this.#start, device, a, b, c, d, detail)
  }

  #taken(bytes: Uint8Array | undefined): TakenBytes | undefined {
    return bytes && this.#take?.(bytes)
  }
}
