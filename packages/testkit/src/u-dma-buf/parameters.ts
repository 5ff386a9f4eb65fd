import { checkInteger, checkOptionNames } from '../arguments'
import { invalidArgument } from '../errors'
import { checkName } from '../platform/bus'

/** What a u-dma-buf is like, as its driver's parameters and a device tree say it. */
export interface UDmaBufParameters {
  /** `udmabuf` and the lowest free number by default. */
  name?: string
  /** Bytes, 1 or more. The driver allocates whole pages. */
  size: number
  /** Address bits below which it is allocated: `dma_mask_bit`. 32 by default. */
  dmaMaskBits?: number
  /**
   * Whether devices see what is in the CPU's caches, and the CPU what devices wrote. True by default, as on x86. With false,
   * what a program maps with caches and what devices have are two memories, which only a sync makes equal.
   */
  dmaCoherent?: boolean
  /** What a mapping past the caches is: 0 to 7. 1 by default. */
  syncMode?: number
  /** '5.5.0' by default. */
  driverVersion?: string
  /** 2 by default; 1: no dma-bufs are exported; 0: there are no ioctls, as before version 4.7. */
  ioctlVersion?: 0 | 1 | 2
  /** The class in sysfs: `udmabuf` before version 2.0. `u-dma-buf` by default. */
  className?: 'u-dma-buf' | 'udmabuf'
}

/** The options with everything decided. */
export type CheckedParameters = Required<UDmaBufParameters>

const defaults = {
  dmaMaskBits: 32,
  dmaCoherent: true,
  syncMode: 1,
  driverVersion: '5.5.0',
  ioctlVersion: 2,
  className: 'u-dma-buf',
} as const

/** Fills in the defaults. @throws `DMA_INVALID_ARGUMENT` */
export function checkParameters(options: UDmaBufParameters, freeName: () => string): CheckedParameters {
  checkOptionNames(options, ['name', 'size', ...Object.keys(defaults)], 'addUDmaBuf')
  const checked: CheckedParameters = { ...defaults, ...options, name: options.name ?? freeName() }
  checkName(checked.name)
  checkInteger(checked.size, 'size', 1)
  checkInteger(checked.dmaMaskBits, 'dmaMaskBits', 1, 64)
  checkInteger(checked.syncMode, 'syncMode', 0, 7)
  checkInteger(checked.ioctlVersion, 'ioctlVersion', 0, 2)
  if (typeof checked.dmaCoherent !== 'boolean') invalidArgument('dmaCoherent is neither true nor false')
  if (!/^[\d.]{1,15}$/.test(checked.driverVersion)) invalidArgument("driverVersion is a text such as '5.5.0'")
  if (checked.className !== 'u-dma-buf' && checked.className !== 'udmabuf') {
    invalidArgument("className is 'u-dma-buf' or 'udmabuf'")
  }
  return checked
}
