import { DmaError, type Kernel, linuxKernel } from '@linux-dma/native'
import { assertOptions } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import type { DmaOps } from '../device/dma-ops'
import { dmaBitMask } from '../device/masks'
import type { DmaMemory } from '../memory/memory'
import { readFrames } from '../memory/physical'
import { lastPhysicalAddress } from '../memory/physical-memory'
import type { DmaPin } from '../memory/pin'
import { type DmaAddress, dmaAddress, formatDmaAddress, toNumber } from '../vocabulary/address'
import type { TransferDirection } from '../vocabulary/direction'

/** What the direct path has to be told: see {@link directOps}. */
export interface DirectOpsOptions {
  /** That you know what physical addresses in the hands of a device mean. Has to be `true`. */
  unsafePhysicalAddresses: true
  /** Whose memory it is. Default: the real kernel. */
  kernel?: Kernel
  /** PCI address of the device, to find out that no IOMMU stands before it. Default: taken on trust. */
  pciAddress?: string
  /** The highest address that bridges above the device carry, normally `dmaBitMask(n)`. Default: all. */
  busLimit?: bigint
}

/** What memory is of which IOMMU type when nothing translates. */
const UNTRANSLATED = 'identity'
/** The kernel can always find memory below 16 MiB for a device that reaches no further. */
const LOWEST_MASK = dmaBitMask(24)

/** A DMA path without an IOMMU: the DMA address is the physical address. Works as kernel/dma/direct.c does. */
class DirectOps implements DmaOps {
  readonly name = 'direct'
  readonly coherent = true
  readonly pins = true
  readonly physical = true
  readonly busLimit: bigint
  readonly #kernel: Kernel
  /** What holds the pages of each mapping, by DMA address; undefined for huge pages, which need nothing. */
  readonly #mapped = new Map<number, { byteLength: number; pin: DmaPin | undefined }[]>()

  constructor(kernel: Kernel, busLimit: bigint) {
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
      this.#remember(address, byteLength, pin)
      return address
    } catch (error) {
      pin?.release()
      throw error
    }
  }

  unmapPages(_device: DmaDevice, address: DmaAddress, byteLength: number): void {
    // Mappings of the same pages are alike: it does not matter whose pin goes first.
    const mapped = this.#mapped.get(toNumber(address)) ?? []
    const index = mapped.findIndex((one) => one.byteLength === byteLength)
    const [entry] = index < 0 ? [] : mapped.splice(index, 1)
    if (entry === undefined) {
      throw new DmaError('DMA_NOT_MAPPED', `nothing is mapped at ${formatDmaAddress(address)}`)
    }
    if (mapped.length === 0) this.#mapped.delete(toNumber(address))
    entry.pin?.release()
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

  #remember(address: DmaAddress, byteLength: number, pin: DmaPin | undefined): void {
    const entry = { byteLength, pin }
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
 * Memory is pinned for as long as it is mapped, huge pages stay without. A pin of yours that covers it is used, and holds
 * until the unmap also where you close it; else there is one for the mapping, or for more and more pages around it where
 * many parts of the memory are mapped. A single mapping has to lie in one piece: one page, or one huge page, does; a larger
 * buffer goes through a scatterlist, of which the device then sees a segment for each piece. Device and CPU are taken to be
 * coherent, as on x86.
 * @throws DMA_UNSAFE_PHYSICAL without `unsafePhysicalAddresses: true`; DMA_TRANSLATED where the device at `pciAddress` is behind an IOMMU
 *   that translates; DMA_INVALID_ARGUMENT; ENOENT where there is no such device
 * @throws from mapping: DMA_NOT_CONTIGUOUS, DMA_ABOVE_MASK, DMA_NO_FRAME, and what `memory.pin()` throws. Nothing stays mapped or
 *   pinned then.
 * @example
 * ```ts
 * const ops = directOps({ unsafePhysicalAddresses: true, pciAddress: '0000:00:04.0' })
 * const device = new DmaDevice('0000:00:04.0', linuxKernel(), ops)
 * ```
 */
export function directOps(options: DirectOpsOptions): DmaOps {
  assertOptions('directOps', options, ['unsafePhysicalAddresses', 'kernel', 'pciAddress', 'busLimit'])
  const { unsafePhysicalAddresses, kernel = linuxKernel(), pciAddress, busLimit = dmaBitMask(64) } = options
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
  if (pciAddress !== undefined) assertUntranslated(kernel, pciAddress)
  return new DirectOps(kernel, busLimit)
}

function assertUntranslated(kernel: Kernel, pciAddress: string): void {
  if (typeof pciAddress !== 'string' || !/^[0-9a-f]{4,}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/.test(pciAddress)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `pciAddress is '${String(pciAddress)}', not like 0000:00:04.0`)
  }
  const folder = `/sys/bus/pci/devices/${pciAddress}`
  if (!kernel.list(folder).includes('iommu_group')) return
  const type = kernel.readText(`${folder}/iommu_group/type`).trim()
  if (type === UNTRANSLATED) return
  throw new DmaError(
    'DMA_TRANSLATED',
    `an IOMMU translates what ${pciAddress} accesses: its domain is of type ${type}`,
    {
      hint: 'a physical address would be a fault there: open the device with openVfioDevice() of @linux-dma/vfio; or let devices pass, by iommu=pt on the kernel’s command line',
    },
  )
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
