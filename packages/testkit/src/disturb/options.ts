/** Which of the coming ones are hit, and for how long: all of them by default. Of `nth`, `every` and `probability` at most one. */
export interface DisturbanceTiming {
  /** Only this one: 1 is the next. */
  readonly nth?: number
  /** Each so-and-so-many-th: 2 is every other, the second first. */
  readonly every?: number
  /** Each with this probability: 0 to 1. */
  readonly probability?: number
  /** No more than so many: 1 or more. */
  readonly atMost?: number
  /** Begins so much later, in virtual milliseconds; what comes before is not counted. 0 by default. */
  readonly afterMilliseconds?: number
  /** Lasts so long, in virtual milliseconds from its beginning; until it is stopped by default. */
  readonly forMilliseconds?: number
  /** Where its own random numbers start: 0 to 2^32-1. By default the machine's seed, and its number among the disturbances, say it. */
  readonly seed?: number
}

interface OfInterrupts extends DisturbanceTiming {
  /** Only interrupts of this vector; 0 is also the line. All by default. */
  readonly vector?: number
}

/** What becomes of interrupts. Of a line, an interrupt is its going up; one that the device lowers meanwhile does not come late. */
export type InterruptDisturbance =
  /** It never comes. A line stays down until the device has lowered it and raises it anew. */
  | (OfInterrupts & { readonly interrupt: 'lost' })
  /** It comes again, `byMilliseconds` later: 0 by default. A line that is up already shows nothing of it. */
  | (OfInterrupts & { readonly interrupt: 'twice'; readonly byMilliseconds?: number })
  /** It comes `byMilliseconds` later. */
  | (OfInterrupts & { readonly interrupt: 'late'; readonly byMilliseconds: number })
  /**
   * It and those that follow become one: so many `interrupts`, 2 or more, or what came within `withinMilliseconds`, 1 by default. Each
   * vector by itself.
   */
  | (OfInterrupts & {
      readonly interrupt: 'coalesced'
      readonly interrupts: number
      readonly withinMilliseconds?: number
    })
  /** It comes after the next one of another vector; where there is none within `withinMilliseconds`, 1 by default, then. */
  | (OfInterrupts & { readonly interrupt: 'reordered'; readonly withinMilliseconds?: number })
  | SpuriousInterrupts

/** Interrupts that the device never made: one at the beginning, or one every `everyMilliseconds`. */
export interface SpuriousInterrupts
  extends Pick<DisturbanceTiming, 'atMost' | 'afterMilliseconds' | 'forMilliseconds'> {
  readonly interrupt: 'spurious'
  /** Virtual milliseconds from one to the next, above 0; the first comes after as many. */
  readonly everyMilliseconds?: number
  /** 0 by default. */
  readonly vector?: number
}

interface OfTransfers extends DisturbanceTiming {
  /** Only accesses of so many bytes or more, such as the frames and not their descriptors. */
  readonly minimumByteLength?: number
  /** Only accesses of so many bytes or less. */
  readonly maximumByteLength?: number
}

/** What becomes of what the device writes to memory. The device knows nothing of it. */
export type DmaWriteDisturbance =
  /** Nothing is written. */
  | (OfTransfers & { readonly dmaWrite: 'lost' })
  /** It is written `byMilliseconds` later: after the interrupt that tells of it, say. */
  | (OfTransfers & { readonly dmaWrite: 'late'; readonly byMilliseconds: number })
  /** It is written again, `byMilliseconds` later (0 by default), whoever has the memory by then. */
  | (OfTransfers & { readonly dmaWrite: 'twice'; readonly byMilliseconds?: number })
  /** `byteLength` random bytes are written behind it. */
  | (OfTransfers & { readonly dmaWrite: 'past'; readonly byteLength: number })
  /** The last `byteLength` bytes are missing. */
  | (OfTransfers & { readonly dmaWrite: 'short'; readonly byteLength: number })
  /** It goes `byteOffset` bytes further up, or further down where that is negative. */
  | (OfTransfers & { readonly dmaWrite: 'misplaced'; readonly byteOffset: number })
  /** `bitCount` bits of it are wrong: 1 by default. */
  | (OfTransfers & { readonly dmaWrite: 'flipped'; readonly bitCount?: number })

/** What becomes of what the device reads from memory. */
export type DmaReadDisturbance =
  /** It gets what it got from there the last time. A place that it has not read since the disturbance was set up is no hit. */
  | (OfTransfers & { readonly dmaRead: 'stale' })
  /** The last `byteLength` bytes are zeros, and the device is told that not all came. */
  | (OfTransfers & { readonly dmaRead: 'short'; readonly byteLength: number })
  /** It gets what is `byteOffset` bytes further up, or further down where that is negative. */
  | (OfTransfers & { readonly dmaRead: 'misplaced'; readonly byteOffset: number })
  /** `bitCount` bits of it are wrong: 1 by default. */
  | (OfTransfers & { readonly dmaRead: 'flipped'; readonly bitCount?: number })

interface OfRegisters extends DisturbanceTiming {
  /** BAR of the register: 0 to 5; 0 by default. */
  readonly bar?: number
}

/** What becomes of a program's accesses to a register: to those that begin at its `byteOffset`. */
export type RegisterDisturbance =
  /** When its value changes, the old one is read `reads` times more. */
  | (OfRegisters & { readonly register: 'late'; readonly byteOffset: number; readonly reads: number })
  /** Some `bits`, a mask, are read as `level`. What is no different by that is no hit. */
  | (OfRegisters & {
      readonly register: 'stuck'
      readonly byteOffset: number
      readonly bits: number | bigint
      readonly level: 0 | 1
    })
  /** A read finds all ones, as where nobody answers in time; the device knows nothing of it. Any register, where no `byteOffset` is given. */
  | (OfRegisters & { readonly register: 'ones'; readonly byteOffset?: number })
  /** A write does not arrive. Any register, where no `byteOffset` is given. */
  | (OfRegisters & { readonly register: 'lost'; readonly byteOffset?: number })

/** What becomes of the device's link to the machine. */
export type LinkDisturbance =
  /**
   * Registers and configuration space read as ones, writes are lost, no byte moves and no interrupt comes, until `forMilliseconds` are
   * over or the disturbance is stopped. It then goes on as it was, or, with `comesBack: 'reset'`, as after power-on: with bus mastering
   * off, and registers that nobody has set up.
   */
  | (Pick<DisturbanceTiming, 'afterMilliseconds' | 'forMilliseconds'> & {
      readonly link: 'down'
      readonly comesBack?: 'as-it-was' | 'reset'
    })
  /** The device is pulled out, as by {@link FakeMachine.removeDevice}: for good. */
  | (Pick<DisturbanceTiming, 'afterMilliseconds'> & { readonly link: 'removed' })

/**
 * What goes wrong with a device: what is disturbed (`interrupt`, `dmaWrite`, `dmaRead`, `register` or `link`) and how, then what that
 * kind needs, then which ones are hit.
 */
export type DisturbanceOptions =
  | InterruptDisturbance
  | DmaWriteDisturbance
  | DmaReadDisturbance
  | RegisterDisturbance
  | LinkDisturbance

/** Something that a disturbance did. */
export interface DisturbanceHit {
  /** Virtual milliseconds. */
  readonly time: number
  /** In words, as in `machine.log`. */
  readonly what: string
}

/** Something that goes wrong until it is stopped. */
export interface Disturbance {
  /** How often it struck. */
  readonly count: number
  /** What it did, oldest first. */
  readonly hits: readonly DisturbanceHit[]
  /** Ends it: what it holds back goes on now, and a link comes back. Idempotent. */
  stop(): void
  [Symbol.dispose](): void
}
