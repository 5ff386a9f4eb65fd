import { DmaError, type Kernel, linuxKernel } from '@linux-dma/native'
import { assertOptions } from '../checks/validate'
import { cacheOps } from '../device/cache-ops'
import type { DmaDevice } from '../device/dma-device'
import type { DmaOps } from '../device/dma-ops'
import { dmaBitMask } from '../device/masks'
import type { DmaMemory } from '../memory/memory'
import { framesOfMapped, readFrames } from '../memory/physical'
import { lastPhysicalAddress } from '../memory/physical-memory'
import type { DmaPin } from '../memory/pin'
import { type DmaAddress, dmaAddress, formatDmaAddress, toNumber } from '../vocabulary/address'
import type { TransferDirection } from '../vocabulary/direction'
import { isUntold } from './still-there'
import { assertUntranslated } from './untranslated'

/** What the direct path has to be told: see {@link directOps}. */
export interface DirectOpsOptions {
  /** That you know what physical addresses in the hands of a device mean. Has to be `true`. */
  unsafePhysicalAddresses: true
  /** Whose memory it is. Default: the real kernel. */
  kernel?: Kernel
  /** PCI address of the device, to find out that no IOMMU stands before it. Default: taken on trust. */
  pciAddress?: string
  /** The same of any device: where sysfs has it, below /sys/devices. */
  devicePath?: string
  /** The highest address that bridges above the device carry, normally `dmaBitMask(n)`. Default: all. */
  busLimit?: bigint
}

/** The kernel can always find memory below 16 MiB for a device that reaches no further. */
const LOWEST_MASK = dmaBitMask(24)

/** Pages whose physical address a device was given. */
interface Mapped {
  readonly device: DmaDevice
  readonly memory: DmaMemory
  readonly byteOffset: number
  readonly byteLength: number
  /** What holds them; undefined for huge pages that may not be pinned. */
  readonly pin: DmaPin | undefined
}

/** A DMA path without an IOMMU: the DMA address is the physical address. Works as kernel/dma/direct.c does. */
class DirectOps implements DmaOps {
  readonly name = 'direct'
  declare readonly coherent: boolean
  readonly pins = true
  readonly physical = true
  readonly busLimit: bigint
  readonly #kernel: Kernel
  /** What is mapped, by DMA address. */
  readonly #mapped = new Map<number, Mapped[]>()
  /** Devices that have addresses of memory that is somewhere else now. */
  #misled = new Set<DmaDevice>()

  constructor(kernel: Kernel, busLimit: bigint) {
    Object.assign(this, cacheOps(kernel))
    this.#kernel = kernel
    this.busLimit = busLimit
  }

  mapPages(
    device: DmaDevice,
    memory: DmaMemory,
    byteOffset: number,
    byteLength: number,
    _direction: TransferDirection,
    mask: bigint,
  ): DmaAddress {
    const pin = memory.holdPinned(byteOffset, byteLength)
    try {
      const address = contiguousAddress(memory, byteOffset, byteLength)
      this.#assertReach(device, address, byteLength, mask)
      this.#remember(address, { device, memory, byteOffset, byteLength, pin })
      return address
    } catch (error) {
      pin?.release()
      throw error
    }
  }

  /** Nothing but itself keeps a device from memory: the pages of one that may not be at rest stay where they are. */
  unmapPages(device: DmaDevice, address: DmaAddress, byteLength: number, memory: DmaMemory): void {
    device.assertQuiet()
    const mapped = this.#mapped.get(toNumber(address)) ?? []
    // Mappings of the same pages of the same memory are alike: it does not matter whose pin goes first.
    const index = mapped.findIndex((one) => one.memory === memory && one.byteLength === byteLength)
    const [entry] = index < 0 ? [] : mapped.splice(index, 1)
    if (entry === undefined) {
      throw new DmaError('DMA_NOT_MAPPED', `nothing is mapped at ${formatDmaAddress(address)}`)
    }
    if (mapped.length === 0) this.#mapped.delete(toNumber(address))
    entry.pin?.release()
  }

  /**
   * Also what is pinned: a file whose pages somebody punches out has others in their place. What cannot be looked at keeps nothing
   * else from being told; it counts as in place where it is pinned.
   */
  verify(): void {
    const before = this.#misled
    const { moved, unseen, failures } = lookAt(this.#mapped)
    const stay = [...before].filter((device) => unseen.has(device))
    this.#misled = new Set([...moved.keys(), ...stay])
    for (const device of before) if (!this.#misled.has(device)) device.setMoved(undefined)
    for (const [device, error] of moved) device.setMoved(error)
    for (const error of [...moved.values(), ...failures]) throw error
  }

  supportsMask(mask: bigint): boolean {
    if (mask >= dmaBitMask(32)) return true
    return mask >= LOWEST_MASK || mask >= BigInt(lastPhysicalAddress(this.#kernel))
  }

  /** All of the machine's memory, up to the last address that the bus carries. */
  requiredMask(): bigint {
    const last = BigInt(lastPhysicalAddress(this.#kernel))
    const reachable = last < this.busLimit ? last : this.busLimit
    return dmaBitMask(reachable.toString(2).length)
  }

  maxMappingSize(): number {
    return Number.MAX_SAFE_INTEGER
  }

  optMappingSize(): number {
    return Number.MAX_SAFE_INTEGER
  }

  #assertReach(device: DmaDevice, address: DmaAddress, byteLength: number, mask: bigint): void {
    const last = BigInt(toNumber(address)) + BigInt(byteLength) - 1n
    if (last <= mask && last <= this.busLimit) return
    throw new DmaError(
      'DMA_ABOVE_MASK',
      `${device.name} cannot reach ${formatDmaAddress(address)}+${byteLength}: its mask is 0x${mask.toString(16)}, the bus limit 0x${this.busLimit.toString(16)}`,
      {
        hint: 'set the mask that the device really has, dmaSetMask(device, dmaBitMask(64)); where that is it, bounce: setDmaOps(device, bounceOps(getDmaOps(device)))',
      },
    )
  }

  #remember(address: DmaAddress, entry: Mapped): void {
    const mapped = this.#mapped.get(toNumber(address))
    if (mapped) mapped.push(entry)
    else this.#mapped.set(toNumber(address), [entry])
  }
}

/**
 * The DMA path of a machine without an IOMMU, or with one that lets a device pass: devices are given physical addresses.
 * Mirrors the kernel's direct mapping (kernel/dma/direct.c). Frame numbers need CAP_SYS_ADMIN.
 *
 * Nothing stands between a device and memory then: a wrong address, or a transfer that goes on after the program ended,
 * overwrites whatever lies there, the kernel included. Behind an IOMMU open the device with `@linux-dma/vfio` instead.
 *
 * Memory is pinned for as long as it is mapped; huge pages also where that is not allowed, since only an administrator moves
 * them: `verify()` of the path looks whether one did. A pin of yours that covers it is used, and holds
 * until the unmap also where you close it; else there is one for the mapping, or for more and more pages around it where
 * many parts of the memory are mapped. A single mapping has to lie in one piece: one page, or one huge page, does; a larger
 * buffer goes through a scatterlist, of which the device then sees a segment for each piece. Device and CPU are taken to be
 * coherent, as on x86.
 * @throws DMA_UNSAFE_PHYSICAL without `unsafePhysicalAddresses: true`; DMA_TRANSLATED where the device at `pciAddress` or `devicePath` is
 *   behind an IOMMU that translates; DMA_INVALID_ARGUMENT; ENOENT where there is no such device
 * @throws from mapping: DMA_NOT_CONTIGUOUS, DMA_ABOVE_MASK, DMA_NO_FRAME, and what `memory.pin()` throws. Nothing stays mapped or
 *   pinned then.
 * @example
 * ```ts
 * const ops = directOps({ unsafePhysicalAddresses: true, pciAddress: '0000:00:04.0' })
 * const device = new DmaDevice('0000:00:04.0', linuxKernel(), ops)
 * ```
 */
export function directOps(options: DirectOpsOptions): DmaOps {
  assertOptions('directOps', options, [
    'unsafePhysicalAddresses',
    'kernel',
    'pciAddress',
    'devicePath',
    'busLimit',
  ])
  const { unsafePhysicalAddresses, kernel = linuxKernel(), busLimit = dmaBitMask(64) } = options
  if (unsafePhysicalAddresses !== true) {
    throw new DmaError(
      'DMA_UNSAFE_PHYSICAL',
      'physical addresses were not asked for by unsafePhysicalAddresses: true',
      {
        hint: 'a device with a wrong physical address overwrites any memory, the kernel’s included, and goes on after the program has ended: open it with @linux-dma/vfio behind an IOMMU, or pass { unsafePhysicalAddresses: true }',
      },
    )
  }
  if (typeof busLimit !== 'bigint' || busLimit <= 0n || busLimit > dmaBitMask(64)) {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `busLimit is ${String(busLimit)}, not a bigint from 1 to 2^64 - 1`,
    )
  }
  assertUntranslated(kernel, options)
  return new DirectOps(kernel, busLimit)
}

/** Where pinned pages begin in physical memory, where they follow each other. @throws DMA_NOT_CONTIGUOUS */
function contiguousAddress(memory: DmaMemory, byteOffset: number, byteLength: number): DmaAddress {
  const frames = readFrames(memory, { byteOffset, byteLength })
  const { pageSize } = memory.kernel
  const first = frames[0]!
  for (let i = 1; i < frames.length; i++) {
    if (frames[i] === first + i) continue
    throw new DmaError(
      'DMA_NOT_CONTIGUOUS',
      `${byteLength} bytes of DMA memory lie in pieces: ${i * pageSize} bytes at 0x${(first * pageSize).toString(16)}, then others at 0x${(frames[i]! * pageSize).toString(16)}`,
      {
        hint: 'map a table of it, SgTable.fromBuffers([memory.bytes]) and dmaMapSgtable() of @linux-dma/sg: the device then sees each piece; or allocate with hugePageSize: 0x200000',
      },
    )
  }
  return dmaAddress(first * pageSize)
}

/** What a look at all that was given out found. */
interface Look {
  /** Of each device the first mapping that is somewhere else. */
  readonly moved: Map<DmaDevice, DmaError>
  /** Devices that have something that could not be looked at. */
  readonly unseen: Set<DmaDevice>
  /** Why, but where it is pinned and the kernel does not tell. */
  readonly failures: unknown[]
}

function lookAt(all: ReadonlyMap<number, readonly Mapped[]>): Look {
  const look: Look = { moved: new Map(), unseen: new Set(), failures: [] }
  for (const [address, mapped] of all) {
    for (const entry of mapped) {
      try {
        const error = whyNotInPlace(address, entry)
        if (error && !look.moved.has(entry.device)) look.moved.set(entry.device, error)
      } catch (error) {
        look.unseen.add(entry.device)
        if (entry.pin === undefined || !isUntold(error)) look.failures.push(error)
      }
    }
  }
  return look
}

/** DMA_FRAME_MOVED where pages that a device has at `address` are somewhere else now */
function whyNotInPlace(address: number, { memory, byteOffset, byteLength }: Mapped): DmaError | undefined {
  // Memory for devices alone has no pages in this process to look at.
  if (memory.hidden) return undefined
  const { pageSize } = memory.kernel
  const moved = framesOfMapped(memory, byteOffset, byteLength).findIndex(
    (frame, index) => frame !== address / pageSize + index,
  )
  if (moved < 0) return undefined
  return new DmaError(
    'DMA_FRAME_MOVED',
    `the kernel moved memory that a device was given at 0x${address.toString(16)}: byte ${moved * pageSize} of ${byteLength} is somewhere else now`,
    {
      hint: 'keep the device at rest, unmap or close what lies there, look again (verifyFrames(), setMaster()) and map it anew: it has another address now. Huge pages are moved when one is taken out of use (soft_offline_page) or by move_pages(2); they are pinned where this process may use io_uring: sudo sysctl kernel.io_uring_disabled=0, and ulimit -l',
    },
  )
}
