import { DmaError } from '@linux-dma/native'
import type { DeviceChild, DmaDevice } from '../device/dma-device'
import type { IommuDomain } from '../device/iommu-domain'
import { DmaMemory } from '../memory/memory'
import { IoRegion } from '../registers/io-region'
import { addToDmaAddress, type DmaAddress } from '../vocabulary/address'
import { assertAttributes, DmaAttribute, type DmaAttributes } from '../vocabulary/attributes'
import { assertTransferDirection, type TransferDirection } from '../vocabulary/direction'

/** What device registers cannot be asked for. */
const NOT_FOR_REGISTERS =
  DmaAttribute.NoKernelMapping | DmaAttribute.ForceContiguous | DmaAttribute.AllocSinglePages

/** Registers of one device that another one can reach, from `dmaMapResource` to `dmaUnmapResource`. */
export class ResourceMapping implements DeviceChild, Disposable {
  /** The device that reaches the registers. */
  readonly device: DmaDevice
  readonly registers: IoRegion
  readonly byteLength: number
  readonly direction: TransferDirection
  /** @internal */
  readonly coherent = false
  readonly #iommu: IommuDomain
  /** Of the pages that are mapped, which begin at or before the first register. */
  readonly #start: DmaAddress
  readonly #mappedLength: number
  readonly #address: DmaAddress
  #mapped = true

  /** @internal use {@link dmaMapResource} */
  constructor(
    device: DmaDevice,
    iommu: IommuDomain,
    registers: IoRegion,
    place: { processAddress: number; byteLength: number; direction: TransferDirection },
  ) {
    const { processAddress, byteLength, direction } = place
    const offset = processAddress % iommu.granule
    this.device = device
    this.registers = registers
    this.byteLength = byteLength
    this.direction = direction
    this.#iommu = iommu
    this.#mappedLength = Math.ceil((offset + byteLength) / iommu.granule) * iommu.granule
    this.#start = iommu.allocate(this.#mappedLength, device.dmaMask, iommu.granule)
    this.#address = addToDmaAddress(this.#start, offset)
    try {
      iommu.map(this.#start, processAddress - offset, this.#mappedLength, direction)
    } catch (error) {
      iommu.release(this.#start, this.#mappedLength)
      throw error
    }
    device.adopt(this)
    registers.users.add(this)
  }

  /** Whether the device can reach the registers now. */
  get mapped(): boolean {
    return this.#mapped
  }

  /** Where the device finds the first register. @throws DMA_NOT_MAPPED; DMA_BUS_MASTER_OFF, DMA_CLOSED */
  get dmaAddress(): DmaAddress {
    this.#assertMapped()
    this.device.assertReady()
    return this.#address
  }

  /** See {@link dmaUnmapResource}. */
  unmap(): void {
    this.#assertMapped()
    this.close()
  }

  /** Takes the registers from the device. Idempotent. */
  close(): void {
    if (!this.#mapped) return
    this.#mapped = false
    this.device.disown(this)
    this.registers.users.delete(this)
    this.#iommu.unmap(this.#start, this.#mappedLength, this.#mappedLength)
    // Not given out again where the unmap failed: the device may still find the registers there.
    this.#iommu.release(this.#start, this.#mappedLength)
  }

  /** Unmaps where that has not been done. */
  [Symbol.dispose](): void {
    this.close()
  }

  #assertMapped(): void {
    if (this.#mapped) return
    throw new DmaError(
      'DMA_NOT_MAPPED',
      `${this.device.name} no longer has the registers of ${this.registers.name}`,
      { hint: 'they were unmapped, or one of the two devices was closed; map them again' },
    )
  }
}

/**
 * Lets a device reach registers of another one: peer-to-peer DMA, such as a network card that fills a controller's
 * memory or rings its doorbell. Mirrors `dma_map_resource()`.
 *
 * The device can reach all of the pages that the registers lie in. Whether its accesses arrive is a matter of the machine:
 * bridges and root ports may not pass them on, and in which widths they come is up to the device.
 * @param registers of the other device, mapped into this process: `other.bar(0)`, or a part of it
 * @param byteOffset bytes from the start of `registers`
 * @param byteLength bytes, 1 or more
 * @param direction as seen from memory: `ToDevice` where the device reads the registers
 * @param attributes those that have no effect; `Mmio` goes without saying
 * @throws DMA_NOT_REGISTERS for memory; DMA_UNSUPPORTED for registers that are not mapped (I/O ports, configuration space),
 *   and on a DMA path without an IOMMU; DMA_RANGE; DMA_CLOSED; DMA_BUS_MASTER_OFF; DMA_ATTRIBUTE, DMA_INVALID_ARGUMENT;
 *   DMA_WRONG_KERNEL; ENOSPC; what the IOMMU answers. Nothing stays mapped then.
 * @example
 * ```ts
 * using doorbell = dmaMapResource(card, controller.bar(0), 0x1000, 4, DmaDirection.FromDevice)
 * card.bar(0).writeAddress(NOTIFY, doorbell.dmaAddress)
 * ```
 */
export function dmaMapResource(
  device: DmaDevice,
  registers: IoRegion,
  byteOffset: number,
  byteLength: number,
  direction: TransferDirection,
  attributes: DmaAttributes = 0,
): ResourceMapping {
  assertTransferDirection(direction)
  assertAttributes('dmaMapResource', attributes, NOT_FOR_REGISTERS)
  assertRegisters(registers)
  device.assertReady()
  if (!registers.isOf(device.kernel)) {
    throw new DmaError('DMA_WRONG_KERNEL', `${registers.name} is of another kernel than ${device.name}`, {
      hint: 'open both devices with the same kernel',
    })
  }
  const processAddress = registers.processAddressAt(byteOffset, byteLength)
  const { iommu, name } = device.ops
  if (!iommu) {
    throw new DmaError(
      'DMA_UNSUPPORTED',
      `${name} cannot give ${device.name} the registers of ${registers.name}`,
      {
        hint: 'peer-to-peer DMA needs a DMA path with an IOMMU, such as that of openVfioDevice()',
      },
    )
  }
  if (processAddress === undefined) {
    throw new DmaError('DMA_UNSUPPORTED', `${registers.name} is not mapped: no device can reach it`, {
      hint: 'only a memory BAR can be reached: not I/O ports, and not configuration space',
    })
  }
  return new ResourceMapping(device, iommu, registers, { processAddress, byteLength, direction })
}

/** Takes registers from a device again. Mirrors `dma_unmap_resource()`. @throws DMA_NOT_MAPPED the second time; DMA_WRONG_DEVICE */
export function dmaUnmapResource(device: DmaDevice, mapping: ResourceMapping): void {
  if (!(mapping instanceof ResourceMapping)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${typeof mapping} is no mapping of registers`, {
      hint: 'pass what dmaMapResource() returned; mappings of memory go to dmaUnmapSingle()',
    })
  }
  if (mapping.device !== device) {
    throw new DmaError('DMA_WRONG_DEVICE', `the mapping is ${mapping.device.name}’s, not ${device.name}’s`)
  }
  mapping.unmap()
}

function assertRegisters(registers: unknown): asserts registers is IoRegion {
  if (registers instanceof IoRegion) return
  const isMemory = registers instanceof DmaMemory || ArrayBuffer.isView(registers)
  throw new DmaError(
    'DMA_NOT_REGISTERS',
    `dmaMapResource: ${isMemory ? 'memory' : typeof registers} where the registers of another device are meant`,
    { hint: 'pass other.bar(0); memory is mapped with dmaMapSingle() or createDmaRegion()' },
  )
}
