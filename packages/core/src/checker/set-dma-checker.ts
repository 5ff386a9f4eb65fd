import { DmaError } from '@linux-dma/native'
import { shown } from '../checks/shown'
import { assertDevice } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import { checkerOf } from './checker-of'
import { DmaChecker } from './dma-checker'
import { ledgerFor } from './ledger-for'
import { MappingLedger } from './mapping-ledger'

/**
 * Has a checker watch a device, or nobody. What is mapped already is known to it from then on, but not where that was done; tables and
 * slots that are mapped already are not.
 *
 * What a fake machine has for all of its devices goes on: this one is told of what that finds, as well.
 * @param checker undefined ends it
 * @throws DMA_INVALID_ARGUMENT; DMA_CLOSED
 * @example
 * ```ts
 * setDmaChecker(device, new DmaChecker({ onError: 'warn' }))
 * ```
 */
export function setDmaChecker(device: DmaDevice, checker: DmaChecker | undefined): void {
  assertDevice('setDmaChecker', device)
  if (checker !== undefined && !(checker instanceof DmaChecker)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `setDmaChecker: ${shown(checker)} is no checker`, {
      hint: 'pass new DmaChecker(), or undefined for none',
    })
  }
  device.assertOpen()
  const { ledger, ownChecker } = device
  const forAll = checkerOf(device.kernel)
  // Whoever passes that is told of everything already.
  const own = checker === forAll ? undefined : checker
  if (own === ownChecker) return
  if (ledger) ownChecker?.unwatch(ledger)
  device.setOwnChecker(own)
  // What the kernel has for all goes on with the ledger that there is: what it knows must not go with what a driver wants.
  if (ledger && forAll) ledger.watchedAlso()
  else device.setLedger(ledgerFor(device, own))
}

/**
 * Refuses what the option `checked` of a function that opens a device cannot be, before anything is opened.
 * @throws DMA_INVALID_ARGUMENT
 * @internal
 */
export function assertChecked(of: string, checked: unknown): void {
  if (checked === undefined || typeof checked === 'boolean' || checked instanceof DmaChecker) return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: checked is ${shown(checked)}`, {
    hint: 'it is true, false or a DmaChecker',
  })
}

/**
 * Does what that option asks for: true is a checker of the device's own, false none. What its kernel has for all is no matter of it: a
 * driver that asks for either is to be watched in its tests as any other.
 * @internal
 */
export function applyChecked(device: DmaDevice, checked: boolean | DmaChecker | undefined): void {
  if (checked === undefined) return
  setDmaChecker(device, typeof checked === 'boolean' ? (checked ? new DmaChecker() : undefined) : checked)
}

/** The ledger of a device, made where there is none: somebody looks for a mapping by its address. @internal */
export function ledgerOf(device: DmaDevice): MappingLedger {
  if (device.ledger) return device.ledger
  device.assertOpen()
  const ledger = new MappingLedger(device, undefined)
  device.setLedger(ledger)
  return ledger
}
