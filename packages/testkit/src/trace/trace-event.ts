/** Which way the bytes of a mapping go. */
export type TraceDirection = 'bidirectional' | 'to-device' | 'from-device'

/** How a mapping was made: by dmaMapSingle(), dmaMapSg(), dmaAllocCoherent(), dmaAllocNoncoherent(), dmaMapResource() and their like. */
export type TraceFamily = 'single' | 'sg' | 'coherent' | 'noncoherent' | 'resource'

/** What became of interrupts: they were `raised`, `delivered`, or the vector was `enabled` or `disabled` by the program. */
export type InterruptStage = 'raised' | 'delivered' | 'enabled' | 'disabled'

/** What every event says. */
interface Common {
  /** Its number: 0, 1, 2 …, without gaps. The first of a trace is above 0 where older ones were let go. */
  readonly n: number
  /** Milliseconds since the trace began, of the kernel's clock. */
  readonly time: number
  /** Which device it was: a PCI address, or a platform device's name; empty where it is none's. */
  readonly device: string
}

/** Memory was mapped for a device. */
export interface MapEvent extends Common {
  readonly kind: 'map'
  /** The mapping's number in the trace, from 1 on. */
  readonly mapping: number
  /** DMA address: `0x…`. */
  readonly address: string
  readonly byteLength: number
  readonly direction: TraceDirection
  readonly family: TraceFamily
  /** Where the program did it. */
  readonly at?: string
  /** What the device is given, in base64. */
  readonly bytes?: string
  /** How many bytes at the end were not taken down. */
  readonly cut?: number
}

/** Part of a mapping was handed over to the CPU, or to the device. */
export interface SyncEvent extends Common {
  readonly kind: 'sync'
  readonly for: 'cpu' | 'device'
  readonly mapping: number
  readonly address: string
  readonly byteLength: number
  readonly bytes?: string
  readonly cut?: number
}

/** A mapping ended. */
export interface UnmapEvent extends Common {
  readonly kind: 'unmap'
  readonly mapping: number
  readonly address: string
  readonly byteLength: number
  readonly bytes?: string
  readonly cut?: number
}

/** The driver read or wrote a register. */
export interface RegisterEvent extends Common {
  readonly kind: 'register'
  readonly access: 'read' | 'write'
  readonly bar: number
  readonly offset: number
  /** What the device's model calls it. Real hardware does not tell. */
  readonly name?: string
  readonly width: 8 | 16 | 32 | 64
  /** 64 bits as `0x…`. */
  readonly value: number | string
}

/** The device read or wrote memory. Of a fake machine only: real hardware does not tell. */
export interface DmaEvent extends Common {
  readonly kind: 'dma'
  /** Seen from the device: a write changes memory. */
  readonly access: 'read' | 'write'
  readonly address: string
  readonly byteLength: number
}

/** An access of the device was refused. */
export interface FaultEvent extends Common {
  readonly kind: 'fault'
  readonly access: 'read' | 'write'
  readonly address: string
  readonly byteLength: number
}

/**
 * A device raised an interrupt (of a fake machine only), or the program was told of some; or the program listens to a vector from here
 * on, or no longer.
 */
export interface InterruptEvent extends Common {
  readonly kind: 'interrupt'
  readonly vector: number
  /** How many; 0 where none came. */
  readonly count: number
  readonly stage: InterruptStage
}

/** The DMA API was misused: a `DmaReport` of core. */
export interface MisuseEvent extends Common {
  readonly kind: 'misuse'
  /** Which of the kernel's classes of misuse it is. */
  readonly class?: number
  readonly message: string
  readonly at?: string
  /** Which bytes it is about, where that is known: DMA address and length. */
  readonly address?: string
  readonly byteLength?: number
}

/** A line of `machine.log`, something that befell a device, or a remark of the program. */
export interface NoteEvent extends Common {
  readonly kind: 'note'
  readonly message: string
}

/** Something that happened on a machine. */
export type TraceEvent =
  | MapEvent
  | SyncEvent
  | UnmapEvent
  | RegisterEvent
  | DmaEvent
  | FaultEvent
  | InterruptEvent
  | MisuseEvent
  | NoteEvent

/** What happened, oldest first. It is plain data: JSON has all of it. */
export interface Trace {
  readonly version: 1
  /** `kernel.name` of the machine. */
  readonly machine: string
  /** Where its random numbers started, if it is a fake one. */
  readonly seed?: number
  readonly events: readonly TraceEvent[]
  /** How many older events were let go. */
  readonly dropped: number
}

/** What a machine or a recorded kernel has noted so far. */
export interface LiveTrace extends Trace {
  /** Lets all events go; the next one has number 0 and time 0. */
  clear(): void
  /** Notes a remark. */
  note(message: string): void
  /** The trace as it is now, for JSON.stringify(). */
  toJSON(): Trace
  /** The trace as it is now, as text: a line of JSON for what it is, then one for each event. `parseTrace()` reads it. */
  save(): string
}
