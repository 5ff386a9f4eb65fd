import { DmaError, type Kernel } from '@linux-dma/native'
import type { CoherentMemory } from '../allocation/coherent-memory'
import { assertByteLength, assertOptions } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import type { DmaOps } from '../device/dma-ops'
import type { IommuDomain } from '../device/iommu-domain'
import type { DmaMemory } from '../memory/memory'
import type { DmaAddress } from '../vocabulary/address'
import type { TransferDirection } from '../vocabulary/direction'
import { type BouncePoolUsage, longestBounce } from './bounce-pool'
import { BouncePools, type BounceRules } from './bounce-pools'
import { Slot } from './bounce-slots'

/** When to bounce, and in how much memory: see {@link bounceOps}. */
export interface BounceOptions {
  /**
   * Bytes of slots for each device, rounded up to whole segments of 256 KiB; 1 byte to 1 GiB. They are pinned from the
   * first transfer that bounces until the device closes. Default: 1 MiB.
   */
  byteLength?: number
  /** Bounce every streaming mapping, as the kernel does when started with `swiotlb=force`. Default: false. */
  force?: boolean
  /**
   * Bounce what is in no region and does not fill its pages, so that the device sees nothing that lies beside it: what
   * the kernel does for a device that it does not trust. Default: false.
   */
  untrusted?: boolean
}

/**
 * An eighth of the 8 MiB that a user may lock by default: 512 packets, or four of the longest mappings. The kernel's
 * 64 MiB could not be pinned there.
 */
const DEFAULT_BYTE_LENGTH = 1 << 20
const LONGEST_POOL = 1 << 30
/** Where everything is copied, also what a driver never meant to be: 2,048 packets, 16 of the longest mappings. */
const KERNELS_BYTE_LENGTH = 4 << 20

/** A DMA path with a bounce buffer over another one. */
class BounceOps implements DmaOps {
  readonly name: string
  readonly coherent: boolean
  readonly pins: boolean
  readonly iommu?: IommuDomain
  readonly physical?: boolean
  readonly busLimit?: bigint
  readonly bouncer: BouncePools
  readonly allocateMemory?: NonNullable<DmaOps['allocateMemory']>
  readonly bypassCaches?: NonNullable<DmaOps['bypassCaches']>
  /** What is in place goes by this one. */
  readonly inner: DmaOps
  /** It is the kernel that wants everything copied: what a driver asks for is laid over the path below. */
  readonly byKernel: boolean
  /** Everything may have to bounce, whatever its address. */
  readonly #mayBounceAll: boolean

  constructor(inner: DmaOps, rules: BounceRules, byKernel: boolean) {
    this.inner = inner
    this.byKernel = byKernel
    this.name = `bounce over ${inner.name}`
    this.coherent = inner.coherent
    this.pins = inner.pins
    if (inner.iommu) this.iommu = inner.iommu
    if (inner.physical) this.physical = true
    if (inner.busLimit !== undefined) this.busLimit = inner.busLimit
    if (inner.allocateMemory) {
      this.allocateMemory = (device, byteLength, mask) => inner.allocateMemory!(device, byteLength, mask)
    }
    if (inner.bypassCaches) {
      this.bypassCaches = (device, address, byteLength) => inner.bypassCaches!(device, address, byteLength)
    }
    this.bouncer = new BouncePools(inner, rules)
    this.#mayBounceAll = rules.force || rules.untrusted
  }

  mapPages(
    device: DmaDevice,
    memory: DmaMemory,
    byteOffset: number,
    byteLength: number,
    direction: TransferDirection,
    mask: bigint,
  ): DmaAddress {
    this.bouncer.prepare(device)
    return this.inner.mapPages(device, memory, byteOffset, byteLength, direction, mask)
  }

  unmapPages(device: DmaDevice, address: DmaAddress, byteLength: number, memory: DmaMemory): void {
    this.inner.unmapPages(device, address, byteLength, memory)
  }

  allocateCoherent(device: DmaDevice, byteLength: number, mask: bigint): CoherentMemory | undefined {
    return this.inner.allocateCoherent?.(device, byteLength, mask)
  }

  verify(): void {
    this.inner.verify?.()
  }

  syncForCpu(device: DmaDevice, address: DmaAddress, byteLength: number, direction: TransferDirection): void {
    this.inner.syncForCpu?.(device, address, byteLength, direction)
  }

  syncForDevice(
    device: DmaDevice,
    address: DmaAddress,
    byteLength: number,
    direction: TransferDirection,
  ): void {
    this.inner.syncForDevice?.(device, address, byteLength, direction)
  }

  supportsMask(mask: bigint): boolean {
    return this.inner.supportsMask(mask)
  }

  requiredMask(): bigint {
    return this.inner.requiredMask()
  }

  maxMappingSize(device: DmaDevice): number {
    const inner = this.inner
    const longest = inner.maxMappingSize(device)
    // Behind an IOMMU a narrow mask is no reason to bounce.
    const limited = inner.iommu === undefined && device.dmaMask < inner.requiredMask()
    if (!this.#mayBounceAll && !limited) return longest
    return Math.min(longest, longestBounce(device.parameters.minAlignMask))
  }

  optMappingSize(device: DmaDevice): number {
    return this.inner.optMappingSize(device)
  }
}

/**
 * A DMA path that copies what the device cannot be given in place: the kernel's swiotlb over any other path. Streaming
 * mappings of JavaScript's own buffers always bounce; so does what lies above the device's mask or across its segment
 * boundary, and what `options` say. Coherent memory, and `region.addressAt()`, never do.
 *
 * Each device gets a pool of its own at its first transfer that bounces, whose memory is closed with it.
 * @param inner the path that pins and maps, such as `getDmaOps(device)`
 * @throws DMA_INVALID_ARGUMENT
 * @example
 * ```ts
 * setDmaOps(device, bounceOps(getDmaOps(device)))
 * using mapping = dmaMapSingle(device, Buffer.from('hello'), DmaDirection.ToDevice)
 * ```
 */
export function bounceOps(inner: DmaOps, options: BounceOptions = {}): DmaOps {
  assertOptions('bounceOps', options, ['byteLength', 'force', 'untrusted'])
  if (typeof inner?.mapPages !== 'function') {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'bounceOps: inner is no DMA path', {
      hint: 'pass that of the device: bounceOps(getDmaOps(device))',
    })
  }
  const isKernels = inner instanceof BounceOps && inner.byKernel
  if (inner.bouncer && !isKernels) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `bounceOps: ${inner.name} bounces already`, {
      hint: 'wrap the path below it, once',
    })
  }
  const { byteLength = DEFAULT_BYTE_LENGTH, force = false, untrusted = false } = options
  assertByteLength('bounceOps: byteLength', byteLength)
  if (byteLength > LONGEST_POOL) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `bounceOps: byteLength ${byteLength} is more than 1 GiB`)
  }
  for (const [name, value] of Object.entries({ force, untrusted })) {
    if (typeof value === 'boolean') continue
    throw new DmaError('DMA_INVALID_ARGUMENT', `bounceOps: ${name} is ${String(value)}, not true or false`)
  }
  const segments = Math.ceil(byteLength / Slot.SegmentByteLength)
  const rules = { byteLength: segments * Slot.SegmentByteLength, untrusted, force: force || isKernels }
  return new BounceOps(isKernels ? inner.inner : inner, rules, isKernels)
}

/**
 * The path of a device, which copies everything where its kernel wants that.
 * @internal
 */
export function bouncedByKernel({ forceBounce }: Kernel, ops: DmaOps): DmaOps {
  if (forceBounce !== true) return ops
  return new BounceOps(ops, { byteLength: KERNELS_BYTE_LENGTH, force: true, untrusted: false }, true)
}

/**
 * How full the bounce buffer of a device is; undefined where its path has none, or nothing has bounced yet.
 * @example
 * ```ts
 * console.log(bouncePoolOf(device)?.mostUsedSlots)
 * ```
 */
export function bouncePoolOf(device: DmaDevice): BouncePoolUsage | undefined {
  const { bouncer } = device.ops
  const pool = bouncer instanceof BouncePools ? bouncer.poolOf(device) : undefined
  if (pool === undefined) return undefined
  const { totalSlots, usedSlots, mostUsedSlots } = pool
  return { totalSlots, usedSlots, mostUsedSlots }
}
