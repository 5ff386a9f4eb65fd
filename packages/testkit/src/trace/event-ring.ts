/** What happened, as the ring tells it apart. */
export enum EventCode {
  Map = 0,
  Sync = 1,
  Unmap = 2,
  RegisterRead = 3,
  RegisterWrite = 4,
  Dma = 5,
  Fault = 6,
  Interrupt = 7,
  Misuse = 8,
  Note = 9,
}

/** One event as the ring has it: what the numbers mean depends on the code. */
export interface RawEvent {
  readonly code: EventCode
  readonly time: number
  readonly device: string
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
  readonly detail: unknown
}

/** Numbers of an event. */
const FIELDS = 6
const FIRST_CAPACITY = 64

/**
 * The last so many events, oldest first. An event is a few numbers in one array, so that to note one costs some ten nanoseconds and
 * makes no object: what is looked at is made then.
 */
export class EventRing {
  /** Events so far: the number of the next one. */
  count = 0
  readonly #limit: number
  #capacity: number
  #numbers: Float64Array
  #devices: string[] = []
  #details: unknown[] = []

  /** @param limit events that are kept, 1 or more */
  constructor(limit: number) {
    this.#limit = limit
    this.#capacity = Math.min(limit, FIRST_CAPACITY)
    this.#numbers = new Float64Array(this.#capacity * FIELDS)
  }

  /** Number of the oldest event that is still there, and how many there were before it. */
  get first(): number {
    return Math.max(0, this.count - this.#limit)
  }

  push(
    code: EventCode,
    time: number,
    device: string,
    a: number,
    b: number,
    c: number,
    d: number,
    detail: unknown,
  ): void {
    if (this.count === this.#capacity && this.#capacity < this.#limit) this.#grow()
    const slot = this.count % this.#capacity
    const numbers = this.#numbers
    const at = slot * FIELDS
    numbers[at] = code
    numbers[at + 1] = time
    numbers[at + 2] = a
    numbers[at + 3] = b
    numbers[at + 4] = c
    numbers[at + 5] = d
    this.#devices[slot] = device
    this.#details[slot] = detail
    this.count++
  }

  /** An event by its number, from {@link first} on. */
  at(n: number): RawEvent {
    const slot = n % this.#capacity
    const [code, time, a, b, c, d] = this.#numbers.subarray(slot * FIELDS, (slot + 1) * FIELDS)
    const [device, detail] = [this.#devices[slot]!, this.#details[slot]]
    return { code: code!, time: time!, device, a: a!, b: b!, c: c!, d: d!, detail }
  }

  clear(): void {
    this.count = 0
    this.#devices = []
    this.#details = []
  }

  /** Twice the room: nothing was let go so far, so that all stays where it is. */
  #grow(): void {
    this.#capacity = Math.min(this.#capacity * 2, this.#limit)
    const numbers = new Float64Array(this.#capacity * FIELDS)
    numbers.set(this.#numbers)
    this.#numbers = numbers
  }
}
