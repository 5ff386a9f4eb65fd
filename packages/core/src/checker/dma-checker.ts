import { callSite, type DmaAccessDetail, DmaError } from '@linux-dma/native'
import { assertOptions } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import type { DmaMemory } from '../memory/memory'
import { CacheLines } from './cache-lines'
import { CallSites } from './call-sites'
import { checkDeviceFilter, checkedOptions, type DmaCheckerOptions, KNOWN_OPTIONS } from './checker-options'
import { judgeAccess } from './device-access'
import { DmaReport, type DmaReportFacts } from './dma-report'
import { describeLive, type LiveMapping } from './live-mapping'
import type { MappingLedger } from './mapping-ledger'
import { DmaMisuse } from './misuse'

/** Frames of the program that a report has of where it was made. */
const FRAMES = 4
/** Reports that are kept. All are counted. */
const MOST_KEPT = 1000

/**
 * Watches what a driver does with the DMA API, as the kernel does it where it is built with CONFIG_DMA_API_DEBUG: 24 classes of misuse,
 * each report with where the memory was mapped and where the mistake was made.
 *
 * One checker can watch several devices: `setDmaChecker`, or the option `checked` of `openVfioDevice` and `openUio`.
 * @example
 * ```ts
 * const checker = new DmaChecker({ onError: 'collect', all: true })
 * using device = openVfioDevice('0000:00:04.0', { checked: checker })
 * ```
 */
export class DmaChecker {
  /** What becomes of a misuse that would go unnoticed otherwise. */
  readonly onError: 'throw' | 'warn' | 'collect'
  /** Whether all reports are kept and warned of, and not the first one only. */
  readonly all: boolean
  /** Whether bytes are looked at. */
  readonly contents: boolean
  /** Bytes that a CPU's caches hold as one. */
  readonly cacheLineSize: number
  /** @internal */
  readonly sites: CallSites
  readonly #device: string | RegExp | undefined
  readonly #onReport: ((report: DmaReport) => void) | undefined
  /** Weakly: a device that is forgotten is to be collected, and told of. */
  readonly #ledgers = new Set<WeakRef<MappingLedger>>()
  /** Whether it is looking at what a device did: what it tells of meanwhile is the device's doing. */
  #judging = false
  readonly #lines = new WeakMap<DmaMemory, CacheLines>()
  readonly #reports: DmaReport[] = []
  #errorCount = 0

  /** @throws DMA_INVALID_ARGUMENT for an option that is none, or has no sense */
  constructor(options: DmaCheckerOptions = {}) {
    assertOptions('DmaChecker', options, KNOWN_OPTIONS)
    const { onError, all, contents, callSites, cacheLineSize, device, onReport } = checkedOptions(options)
    this.onError = onError
    this.all = all
    this.contents = contents
    this.cacheLineSize = cacheLineSize
    this.sites = new CallSites(callSites === 'all')
    this.#device = checkDeviceFilter(device)
    this.#onReport = onReport
  }

  /** What was found, oldest first: the first misuse, or with `all` the first thousand. */
  get reports(): readonly DmaReport[] {
    return this.#reports
  }

  /** How much was found since the last {@link clear}, also of devices that the filter leaves out. */
  get errorCount(): number {
    return this.#errorCount
  }

  /** Forgets what was found. What is mapped stays known. */
  clear(): void {
    this.#reports.length = 0
    this.#errorCount = 0
  }

  /** What is mapped now for the devices that are watched, or for one of them: of which place, how long ago, and who has it. */
  dump(device?: DmaDevice): LiveMapping[] {
    return this.ledgers
      .filter((ledger) => device === undefined || ledger.device === device)
      .flatMap((ledger) => Array.from(ledger.live(), (note) => describeLive(ledger, note)))
  }

  /** Of the devices that it watches. @internal */
  get ledgers(): MappingLedger[] {
    const all: MappingLedger[] = []
    for (const weak of this.#ledgers) {
      const ledger = weak.deref()
      if (ledger) all.push(ledger)
      else this.#ledgers.delete(weak)
    }
    return all
  }

  /** @internal */
  watch(ledger: MappingLedger): void {
    this.#ledgers.add(new WeakRef(ledger))
  }

  /** @internal */
  unwatch(ledger: MappingLedger): void {
    for (const weak of this.#ledgers) if (weak.deref() === ledger) this.#ledgers.delete(weak)
  }

  /** Which cache lines of a memory devices may write. @internal */
  linesOf(memory: DmaMemory): CacheLines {
    let lines = this.#lines.get(memory)
    if (lines === undefined) {
      lines = new CacheLines(memory.byteLength, this.cacheLineSize)
      this.#lines.set(memory, lines)
    }
    return lines
  }

  /**
   * A misuse that is refused with or without a checker.
   * @returns what is to be thrown: a report with the error's code, and all else that the checker knows @internal
   */
  refused(device: DmaDevice, misuse: DmaMisuse, error: DmaError, facts: DmaReportFacts): DmaError {
    const told = this.#toldOf(device)
    if (told.length === 0) return error
    const report = new DmaReport(error, misuse, device.name, facts, callSite(FRAMES))
    for (const checker of told) checker.#keep(report)
    return report
  }

  /**
   * A misuse that goes on without a checker.
   * @throws DMA_DEBUG, where this checker throws, or the device's own: one error, which both have @internal
   */
  complain(device: DmaDevice, misuse: DmaMisuse, message: string, hint: string, facts: DmaReportFacts): void {
    const told = this.#toldOf(device, misuse)
    if (told.length === 0) return
    const error = new DmaError('DMA_DEBUG', message, { hint })
    const report = new DmaReport(error, misuse, device.name, facts, callSite(FRAMES))
    const news = told.filter((checker) => checker.#keep(report))
    if (told.some(({ onError }) => onError === 'throw')) throw report
    if (news.some(({ onError }) => onError === 'warn')) device.kernel.warn(report)
  }

  /** A misuse that is over by the time it is told of: to throw would stop nothing, and hide what else went wrong. @internal */
  tell(device: DmaDevice, misuse: DmaMisuse, message: string, hint: string, facts: DmaReportFacts): void {
    const told = this.#toldOf(device)
    if (told.length === 0) return
    const time = this.#judging ? device.kernel.clock.now() : undefined
    const error = new DmaError('DMA_DEBUG', message, { hint })
    const report = new DmaReport(error, misuse, device.name, facts, callSite(FRAMES), time)
    const news = told.filter((checker) => checker.#keep(report))
    if (news.some(({ onError }) => onError !== 'collect')) device.kernel.warn(report)
  }

  /** The CPU wrote to bytes while the device had them. @throws DMA_DEBUG, where this checker throws @internal */
  cpuWrote(device: DmaDevice, facts: DmaReportFacts): void {
    this.complain(
      device,
      DmaMisuse.CpuWrote,
      'the bytes are others than those that the device was given: the CPU wrote to them while it owned them',
      'write before the map, or between dmaSyncSingleForCpu() and dmaSyncSingleForDevice(): what is written at another time may never reach the device',
      { ...facts, expected: 'the bytes of the map, or of the last sync for the device', actual: 'others' },
    )
  }

  /**
   * A device that is a fake tells what it did with memory, by its name and DMA address: held against what is mapped for it. What it
   * was given to read, or wrote, is `bytes`.
   * @internal
   */
  deviceAccessed(
    device: string,
    address: number,
    bytes: Uint8Array,
    access: 'read' | 'write',
    detail?: DmaAccessDetail,
  ): void {
    const done = { ...detail, address, byteLength: bytes.byteLength, access, bytes }
    this.#judging = true
    try {
      for (const ledger of this.ledgers) if (ledger.device.name === device) judgeAccess(this, ledger, done)
    } finally {
      this.#judging = false
    }
  }

  /**
   * Who has it counted, and is to have a report: this one, which looks after the device, and what was brought for that device alone.
   * Neither takes the other's place: what a test's machine is asked to see, it sees of every driver.
   */
  #toldOf(device: DmaDevice, misuse?: DmaMisuse): DmaChecker[] {
    const { ownChecker } = device
    const both = ownChecker === undefined || ownChecker === this ? [this] : [this, ownChecker]
    const all = misuse === DmaMisuse.CpuWrote ? both.filter(({ contents }) => contents) : both
    for (const checker of all) checker.#errorCount++
    return all.filter((checker) => checker.#watches(device))
  }

  #watches({ name }: DmaDevice): boolean {
    const filter = this.#device
    if (filter === undefined) return true
    // `search` looks from the start also where the expression is one that goes on where it was.
    return typeof filter === 'string' ? filter === name : name.search(filter) >= 0
  }

  /** Whether it is one that is told of. */
  #keep(report: DmaReport): boolean {
    this.#onReport?.(report)
    if (!this.all && this.#reports.length > 0) return false
    if (this.#reports.length < MOST_KEPT) this.#reports.push(report)
    return true
  }
}
