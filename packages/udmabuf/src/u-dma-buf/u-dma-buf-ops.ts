import {
  addToDmaAddress,
  assertOptions,
  type DmaAddress,
  type DmaDevice,
  DmaError,
  type DmaMemory,
  type DmaOps,
  dmaBitMask,
  formatDmaAddress,
  type TransferDirection,
  toBigInt,
  toNumber,
} from '@linux-dma/core'
import { assertNotAllocated } from './assert-not-allocated'
import { BufferPiece } from './buffer-piece'
import { DeviceChecks } from './device-checks'
import { UDmaBuf } from './u-dma-buf'

/** What is known of the device: see {@link uDmaBufOps}. */
export interface UDmaBufOpsOptions {
  /** Where sysfs has the device, below /sys/devices, to find out that no IOMMU stands before it. Default: by its PCI address; else taken on trust. */
  devicePath?: string
}

/** A DMA path that has the memory of one u-dma-buf, and no other. */
class UDmaBufOps implements DmaOps {
  readonly name = 'u-dma-buf'
  readonly coherent: boolean
  readonly pins = true
  readonly syncForCpu?: NonNullable<DmaOps['syncForCpu']>
  readonly syncForDevice?: NonNullable<DmaOps['syncForDevice']>
  readonly #buffer: UDmaBuf
  readonly #base: number
  readonly #checks: DeviceChecks

  constructor(buffer: UDmaBuf, devicePath: string | undefined) {
    this.#buffer = buffer
    this.#base = toNumber(buffer.dmaAddress)
    this.#checks = new DeviceChecks(buffer.kernel, devicePath)
    this.coherent = buffer.coherent
    if (buffer.coherent) return
    this.syncForCpu = (_device, address, byteLength, direction) =>
      buffer.syncRange('syncForCpu', toNumber(address) - this.#base, byteLength, direction)
    this.syncForDevice = (_device, address, byteLength, direction) =>
      buffer.syncRange('syncForDevice', toNumber(address) - this.#base, byteLength, direction)
  }

  mapPages(
    device: DmaDevice,
    memory: DmaMemory,
    byteOffset: number,
    byteLength: number,
    _direction: TransferDirection,
    mask: bigint,
  ): DmaAddress {
    const buffer = this.#buffer
    this.#checks.assertReaches(device)
    const offset = this.#placeOf(device, memory) + byteOffset
    const address = addToDmaAddress(buffer.dmaAddress, offset)
    this.#assertBelow(device, address, byteLength, mask)
    if (memory === buffer.memory) this.#addMapping(device, offset, byteLength)
    return address
  }

  /** Nothing but itself keeps a device from the memory: of one that may not be at rest it stays what it is. */
  unmapPages(device: DmaDevice, address: DmaAddress, byteLength: number, memory: DmaMemory): void {
    device.assertQuiet()
    if (memory !== this.#buffer.memory) return
    const [first, end] = this.#pagesOf(toNumber(address) - this.#base, byteLength)
    this.#buffer.pages.addMapping(first, end, -1)
  }

  allocateMemory(device: DmaDevice, byteLength: number, mask: bigint): DmaMemory {
    const { pages, kernel, memory } = this.#buffer
    memory.assertOpen()
    const count = Math.ceil(byteLength / kernel.pageSize)
    const reachable = (mask + 1n - BigInt(this.#base)) / BigInt(kernel.pageSize)
    const end = Math.min(pages.count, Math.max(0, Number(reachable)))
    return BufferPiece.take(this.#buffer, count, end) ?? this.#refuse(device, byteLength, end, mask)
  }

  /** Any that reaches its first page. */
  supportsMask(mask: bigint): boolean {
    return mask >= BigInt(this.#base + this.#buffer.kernel.pageSize - 1)
  }

  /** All of the buffer, and nothing else. */
  requiredMask(): bigint {
    const last = this.#base + this.#buffer.memory.byteLength - 1
    return dmaBitMask(last.toString(2).length)
  }

  maxMappingSize(): number {
    return this.#buffer.size
  }

  optMappingSize(): number {
    return this.#buffer.size
  }

  /** Offset in the buffer of memory that is part of it. @throws DMA_NOT_IN_BUFFER */
  #placeOf(device: DmaDevice, memory: DmaMemory): number {
    if (memory === this.#buffer.memory) return 0
    if (memory instanceof BufferPiece && memory.buffer === this.#buffer) return memory.offset
    const { name } = this.#buffer.info
    throw new DmaError('DMA_NOT_IN_BUFFER', `${device.name} has the memory of ${name}, and no other`, {
      hint: `map a view of buffer.bytes, allocate by dmaAllocCoherent() or createDmaRegion(device, { byteLength }), which take from it; or have the path copy: setDmaOps(device, bounceOps(uDmaBufOps(buffer), { byteLength: 0x40000 }))`,
    })
  }

  #assertBelow(device: DmaDevice, address: DmaAddress, byteLength: number, mask: bigint): void {
    if (toBigInt(address) + BigInt(byteLength) - 1n <= mask) return
    throw this.#aboveMask(device, `${formatDmaAddress(address)}+${byteLength}`, mask)
  }

  #aboveMask(device: DmaDevice, where: string, mask: bigint): DmaError {
    const { name } = this.#buffer.info
    return new DmaError(
      'DMA_ABOVE_MASK',
      `${device.name} cannot reach ${where} of ${name}: its mask is 0x${mask.toString(16)}`,
      {
        hint: `set the mask that the device really has, dmaSetMaskAndCoherent(device, dmaBitMask(64)); where that is it, have the driver allocate below it: insmod u-dma-buf.ko dma_mask_bit=${mask.toString(2).length} …, or dma-mask in the device tree`,
      },
    )
  }

  #addMapping(device: DmaDevice, offset: number, byteLength: number): void {
    assertNotAllocated(this.#buffer, offset, byteLength, `${device.name} cannot be given`)
    const [first, end] = this.#pagesOf(offset, byteLength)
    this.#buffer.pages.addMapping(first, end, 1)
  }

  #pagesOf(offset: number, byteLength: number): [first: number, end: number] {
    const { pageSize } = this.#buffer.kernel
    return [offset / pageSize, (offset + byteLength) / pageSize]
  }

  #refuse(device: DmaDevice, byteLength: number, end: number, mask: bigint): never {
    const { pages, kernel, info } = this.#buffer
    if (byteLength <= pages.count * kernel.pageSize && byteLength > end * kernel.pageSize) {
      throw this.#aboveMask(device, `${byteLength} bytes`, mask)
    }
    if (pages.hasRunBehindExports(Math.ceil(byteLength / kernel.pageSize), end)) {
      throw new DmaError(
        'DMA_IN_USE',
        `${byteLength} bytes in a row of ${info.name} are free for ${device.name} only where dma-bufs are: others see what is in those`,
        {
          hint: 'close() them, and their duplicates, once nobody uses them any more; export what others need, exportDmaBuf({ offset, size }), and not all of the buffer',
        },
      )
    }
    throw new DmaError(
      'ENOMEM',
      `${info.name} has no ${byteLength} bytes free in a row for ${device.name}: ${pages.free} of its ${pages.count} pages are in use by nobody`,
      {
        hint: 'free an allocation, or unmap what is mapped of buffer.bytes; slots of bounceOps() are 1 MiB unless its byteLength says less; a larger buffer is one of a larger size=',
      },
    )
  }
}

/**
 * The DMA path of a device that is given the memory of a u-dma-buf: `setDmaOps(device, uDmaBufOps(buffer))`. Views of `buffer.bytes`
 * are mapped in place, by arithmetic, with syncs by the driver where the buffer is not coherent. `dmaAllocCoherent()`,
 * `dmaAllocNoncoherent()`, `createDmaRegion(device, { byteLength })` and the slots of `bounceOps()` are whole pages of it, taken
 * from its end, which no mapped view and no dma-buf of `exportDmaBuf()` has. Several devices can have the same buffer; so can another
 * process, of which this one knows nothing: what either of them uses is for them to agree on.
 *
 * The addresses are those of physical memory: of no use to a device behind an IOMMU that translates, which is refused.
 * @throws DMA_INVALID_ARGUMENT; DMA_CLOSED; DMA_TRANSLATED for a device at `devicePath`, and from mapping for one that is known by
 *   its PCI address
 * @throws from mapping: DMA_NOT_IN_BUFFER for other memory; DMA_ABOVE_MASK; DMA_IN_USE for pages of an allocation. From
 *   allocating: ENOMEM; DMA_IN_USE where dma-bufs have what else would be free; DMA_ABOVE_MASK; DMA_UNSUPPORTED where the driver
 *   exports no dma-bufs
 * @example
 * ```ts
 * using buffer = openUDmaBuf('udmabuf0')
 * using device = openUio({ name: 'my-ip-core' })
 * setDmaOps(device, uDmaBufOps(buffer))
 * using ring = dmaAllocCoherent(device, 4096)
 * using frame = dmaMapSingle(device, buffer.bytes.subarray(0, 1500), DmaDirection.FromDevice)
 * ```
 */
export function uDmaBufOps(buffer: UDmaBuf, options: UDmaBufOpsOptions = {}): DmaOps {
  assertOptions('uDmaBufOps', options, ['devicePath'])
  if (!(buffer instanceof UDmaBuf)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `uDmaBufOps: ${typeof buffer} is no u-dma-buf`, {
      hint: 'pass what openUDmaBuf() returned',
    })
  }
  return new UDmaBufOps(buffer, options.devicePath)
}
