import {
  type DmaAccessDetail,
  type DmaCheckerView,
  type DmaChecks,
  DmaError,
  type DmaUnderWay,
} from '@linux-dma/native'
import type { CheckSettings } from './check-settings'
import type { TraceLog } from './trace/trace-log'

/** Misuses that are kept: a device that polls does the same one again and again. */
const MOST_KEPT = 1000

/** What a machine's devices, and what drives them, do wrong with DMA: what a checker of the packages finds, and the machine itself. */
export class DmaErrors implements DmaChecks {
  readonly onError: 'throw' | 'warn' | 'collect'
  readonly contents: boolean | undefined
  readonly callSites: 'sampled' | 'all' | undefined
  readonly device: string | RegExp | undefined
  /** Bytes in a cache line. */
  readonly cacheLineSize: number
  /** The first ones. */
  readonly errors: Error[] = []
  /** What devices have still to do, by name: the machine knows. */
  pendingOf: (device: string, address: number, byteLength: number) => DmaUnderWay | undefined = () =>
    undefined
  /** Where each is noted, too. */
  trace: TraceLog | undefined
  /** Traces that hear from the packages themselves what these find, and from here the rest. */
  readonly recordings = new Set<TraceLog>()
  readonly #checkers: DmaCheckerView[] = []
  #count = 0

  constructor({ onError = 'throw', contents, callSites, device }: CheckSettings, cacheLineSize: number) {
    this.onError = onError
    this.contents = contents
    this.callSites = callSites
    this.device = device
    this.cacheLineSize = cacheLineSize
  }

  /** What checks the devices: the first of those that wanted to. */
  get checker(): DmaCheckerView | undefined {
    return this.#checkers[0]
  }

  onChecker(checker: DmaCheckerView): void {
    this.#checkers.push(checker)
  }

  /** A device read or wrote memory: what checks looks whether it had that. */
  deviceAccessed(
    device: string,
    address: number,
    bytes: Uint8Array,
    access: 'read' | 'write',
    detail: DmaAccessDetail,
  ): void {
    for (const checker of this.#checkers) checker.deviceAccessed(device, address, bytes, access, detail)
  }

  underWay(device: string, address: number, byteLength: number): DmaUnderWay | undefined {
    return this.pendingOf(device, address, byteLength)
  }

  onReport(report: Error): void {
    this.#count += 1
    if (this.errors.length < MOST_KEPT) this.errors.push(report)
    this.trace?.misuse(report)
  }

  /** As `onReport`, of what no program is told of otherwise. It is made where it is kept: that takes a look at all that is mapped. */
  note(makeReport: () => Error): void {
    if (this.errors.length >= MOST_KEPT) {
      this.#count += 1
      return
    }
    const report = makeReport()
    this.onReport(report)
    for (const recording of this.recordings) recording.misuse(report)
  }

  /** @throws `DMA_DEBUG` with all of them */
  assertNone(): void {
    const { errors } = this
    if (errors.length === 0) return
    const count = this.#count
    const first = count > errors.length ? `, the first ${errors.length} of them` : ''
    const list = errors.map(({ message }) => message.replaceAll('\n', '\n  '))
    throw new DmaError(
      'DMA_DEBUG',
      `${count} ${count === 1 ? 'misuse' : 'misuses'} of DMA${first}:\n  ${list.join('\n  ')}`,
      {
        hint: 'each says what to do; what a test does wrong on purpose is forgotten by machine.clearDmaErrors()',
        cause: errors[0],
      },
    )
  }

  clear(): void {
    this.errors.length = 0
    this.#count = 0
    for (const checker of this.#checkers) checker.clear()
  }
}
