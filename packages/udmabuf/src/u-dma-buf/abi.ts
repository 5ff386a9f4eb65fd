import type { TransferDirection } from '@linux-dma/core'
import { structure } from '../abi'

/** Requests of u-dma-buf-ioctl.h, and their structures. */

export const U_DMA_BUF_GET_SYNC_OWNER = 0x8004_5504
export const U_DMA_BUF_GET_DEV_INFO = 0x8018_5507
export const U_DMA_BUF_SET_SYNC = 0x4018_5509
export const U_DMA_BUF_EXPORT = 0xc028_550a

/** With it a buffer is mapped past the caches, as its `sync_mode` says. */
export const O_SYNC = 0o4010000

/** Who a sync gives a range to, in the driver's numbers. */
const COMMANDS = { syncForCpu: 1, syncForDevice: 3 } as const

/** One of the two syncs. */
export type SyncVerb = keyof typeof COMMANDS

/** The bit of `sync_mode` that has every mapping go past the caches, not only those of O_SYNC. */
const SYNC_ALWAYS = 4
const SYNC_MODE_MASK = 3

/** Whether a mapping that is made now goes past the caches, where the machine has a way to. */
export function isUncached(syncMode: number, cached: boolean): boolean {
  return (syncMode & SYNC_MODE_MASK) !== 0 && (!cached || (syncMode & SYNC_ALWAYS) !== 0)
}

/** What U_DMA_BUF_IOCTL_GET_DEV_INFO tells: 24 bytes. */
export function readDevInfo(view: DataView): { size: bigint; address: bigint; dmaCoherent: boolean } {
  const coherentBit = 1 << 9
  return {
    dmaCoherent: (view.getUint32(0, true) & coherentBit) !== 0,
    size: view.getBigUint64(8, true),
    address: view.getBigUint64(16, true),
  }
}

/** Fills in the argument of U_DMA_BUF_IOCTL_SET_SYNC: 24 bytes, used again for each sync. */
export function fillSync(
  view: DataView,
  verb: SyncVerb,
  offset: number,
  size: number,
  direction: TransferDirection,
): void {
  view.setUint32(0, COMMANDS[verb] | (direction << 2), true)
  setUint64(view, 8, size)
  setUint64(view, 16, offset)
}

/**
 * The same in the one word that `sync_for_cpu` and `sync_for_device` take; undefined for what it has no bits for: 4 GiB and
 * beyond, and a size that is no multiple of 16.
 */
export function syncWord(offset: number, size: number, direction: TransferDirection): string | undefined {
  if (offset >= 2 ** 32 || size >= 2 ** 32 || size % 16 !== 0) return undefined
  const low = size + (direction << 2) + 1
  return `0x${offset.toString(16).padStart(8, '0')}${low.toString(16).padStart(8, '0')}`
}

/** The argument of U_DMA_BUF_IOCTL_EXPORT: 40 bytes, of which the descriptor comes back at byte 32. */
export function exportArgument(offset: number, size: number, descriptorFlags: number): DataView {
  const view = structure(40)
  view.setUint32(0, descriptorFlags, true)
  setUint64(view, 8, size)
  setUint64(view, 16, offset)
  return view
}

function setUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 2 ** 32, true)
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true)
}
