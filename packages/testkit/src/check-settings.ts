import { checkOptionNames } from './arguments'
import { invalidArgument } from './errors'

/** How a machine looks for misuses of the DMA API: what a `DmaChecker` of core has by the same names. */
export interface CheckSettings {
  /** What becomes of one that would go unnoticed: `throw`, the default, `warn` or `collect`. */
  onError?: 'throw' | 'warn' | 'collect'
  /** Look at the bytes, too: whether the CPU wrote to a `ToDevice` mapping while the device had it. False by default. */
  contents?: boolean
  /**
   * `all`: take down of each map and unmap where it was called. `sampled`, the default: of the first 4,096 transfers, and then of one map
   * or unmap in 64.
   */
  callSites?: 'sampled' | 'all'
  /** Find misuses of the devices of this name only. What the machine's own caches find is told of each device. */
  device?: string | RegExp
}

const NAMES = ['onError', 'contents', 'callSites', 'device']
const OUTCOMES = ['throw', 'warn', 'collect']

/**
 * The option `checks` with everything decided; undefined where nobody is to look.
 * @throws `DMA_INVALID_ARGUMENT`
 */
export function checkSettings(
  checks: NonNullable<CheckSettings['onError']> | 'off' | CheckSettings,
): (CheckSettings & { onError: 'throw' | 'warn' | 'collect' }) | undefined {
  if (checks === 'off') return undefined
  if (typeof checks !== 'object') {
    if (!OUTCOMES.includes(checks)) {
      return invalidArgument(`checks is one of ${OUTCOMES.join(', ')}, off, or an object`)
    }
    return { onError: checks }
  }
  checkOptionNames(checks, NAMES, 'checks')
  const { onError = 'throw', contents = false, callSites = 'sampled', device } = checks
  if (!OUTCOMES.includes(onError)) invalidArgument(`checks.onError is one of ${OUTCOMES.join(', ')}`)
  if (typeof contents !== 'boolean') invalidArgument('checks.contents is neither true nor false')
  if (!['sampled', 'all'].includes(callSites)) invalidArgument('checks.callSites is one of sampled, all')
  if (device !== undefined && typeof device !== 'string' && !(device instanceof RegExp)) {
    invalidArgument('checks.device is neither the name of a device nor a RegExp')
  }
  return { onError, contents, callSites, ...(device === undefined ? {} : { device }) }
}
