import { type DmaCheckerView, type DmaChecks, DmaError } from '@linux-dma/native'
import type { TraceLog } from './trace/trace-log'

/** What a machine's devices, and what drives them, do wrong with DMA: what a checker of the packages finds, and the machine itself. */
export class DmaErrors implements DmaChecks {
  readonly onError: 'throw' | 'warn' | 'collect'
  /** Bytes in a cache line. */
  readonly cacheLineSize: number
  readonly errors: Error[] = []
  /** Where each is noted, too. */
  trace: TraceLog | undefined
  readonly #checkers: DmaCheckerView[] = []

  constructor(onError: 'throw' | 'warn' | 'collect', cacheLineSize: number) {
    this.onError = onError
    this.cacheLineSize = cacheLineSize
  }

  /** What checks the devices: the first of those that wanted to. */
  get checker(): DmaCheckerView | undefined {
    return this.#checkers[0]
  }

  onChecker(checker: DmaCheckerView): void {
    this.#checkers.push(checker)
  }

  onReport(report: Error): void {
    this.errors.push(report)
    this.trace?.misuse(report)
  }

  /** @throws `DMA_DEBUG` with all of them */
  assertNone(): void {
    const { errors } = this
    if (errors.length === 0) return
    const list = errors.map(({ message }) => message.replaceAll('\n', '\n  '))
    throw new DmaError('DMA_DEBUG', `${errors.length} misuses of DMA:\n  ${list.join('\n  ')}`, {
      hint: 'each says what to do; what a test does wrong on purpose is forgotten by machine.clearDmaErrors()',
      cause: errors[0],
    })
  }

  clear(): void {
    this.errors.length = 0
    for (const checker of this.#checkers) checker.clear()
  }
}
