import { DmaError } from '@linux-dma/native'
import { shown } from '../checks/shown'
import type { DmaReport } from './dma-report'

/** What a checker looks for, and what it does then: see {@link DmaChecker}. */
export interface DmaCheckerOptions {
  /**
   * What becomes of a misuse that would go unnoticed: `throw` a {@link DmaReport}, `warn` through the kernel and go on, or `collect` it and
   * go on. What is refused anyway is thrown in each case; that a device was closed with mappings left never is, but warned of instead.
   * Default: `throw`.
   */
  onError?: 'throw' | 'warn' | 'collect'
  /** Keep all reports, and warn of all, not of the first one only. Default: false, as in the kernel. */
  all?: boolean
  /** Report of the devices of this name only; of others it is counted. */
  device?: string | RegExp
  /**
   * Look at the bytes, too: whether the CPU wrote to a `ToDevice` mapping while the device owned it. A pass over the bytes at each map, sync
   * and unmap: some 3 µs for the four of a transfer of 1 KiB. Default: false.
   */
  contents?: boolean
  /**
   * Find out of each map and unmap where it was called, at some microseconds each; `sampled` does it for the first 8,192, which are those
   * of 4,096 transfers, and then for one in 64: of the others a report says which places come into question. Default: `sampled`.
   */
  callSites?: 'sampled' | 'all'
  /** Bytes in a cache line: a power of two from 16 to 4096. Default: 64. */
  cacheLineSize?: number
  /** Told of each report, also of those that are not kept. */
  onReport?: (report: DmaReport) => void
}

export const KNOWN_OPTIONS = [
  'onError',
  'all',
  'device',
  'contents',
  'callSites',
  'cacheLineSize',
  'onReport',
] as const

/** Fills in the defaults. @throws DMA_INVALID_ARGUMENT */
export function checkedOptions(options: DmaCheckerOptions) {
  const {
    onError = 'throw',
    all = false,
    contents = false,
    callSites = 'sampled',
    cacheLineSize = 64,
    device,
    onReport,
  } = options
  assertOneOf('onError', onError, ['throw', 'warn', 'collect'])
  assertOneOf('callSites', callSites, ['sampled', 'all'])
  assertOneOf('all', all, [true, false])
  assertOneOf('contents', contents, [true, false])
  assertOneOf('cacheLineSize', cacheLineSize, [16, 32, 64, 128, 256, 512, 1024, 2048, 4096])
  if (onReport !== undefined) assertOneOf('onReport', typeof onReport, ['function'])
  return { onError, all, contents, callSites, cacheLineSize, device, onReport }
}

/** @throws DMA_INVALID_ARGUMENT */
export function checkDeviceFilter(device: unknown): string | RegExp | undefined {
  if (device === undefined || typeof device === 'string' || device instanceof RegExp) return device
  throw invalid('device', device, ['the name of a device', 'a RegExp'])
}

function assertOneOf<Value>(name: string, value: Value, values: readonly Value[]): void {
  if (!values.includes(value)) throw invalid(name, value, values.map(shown))
}

function invalid(name: string, value: unknown, values: readonly string[]): DmaError {
  return new DmaError('DMA_INVALID_ARGUMENT', `DmaChecker: ${name} is ${shown(value)}`, {
    hint: `it is ${values.join(' or ')}`,
  })
}
