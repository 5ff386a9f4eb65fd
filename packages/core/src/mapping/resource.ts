import { DmaError, isDmaError } from '@linux-dma/native'
import { type AnyDmaAddress, findToEnd, isAddress } from '../checker/by-address'
import type { MappingLedger } from '../checker/mapping-ledger'
import { MappingFamily } from '../checker/mapping-records'
import { DmaMisuse } from '../checker/misuse'
import { misused } from '../checker/misused'
import { assertDevice } from '../checks/validate'
import type { DeviceChild, DmaDevice, Quarantined } from '../device/dma-device'
import type { IommuDomain } from '../device/iommu-domain'
import { DmaMemory } from '../memory/memory'
import { IoRegion } from '../registers/io-region'
import { addToDmaAddress, type DmaAddress } from '../vocabulary/address'
import { assertAttributes, DmaAttribute, type DmaAttributes } from '../vocabulary/attributes'
import { assertTransferDirection, type TransferDirection } from '../vocabulary/direction'

/** What device registers cannot be asked for. */
const NOT_FOR_REGISTERS =
  DmaAttribute.NoKernelMapping | DmaAttribute.ForceContiguous | DmaAttribute.AllocSinglePages

/**
 * Registers of one device that another one can reach, from `dmaMapResource` to `dmaUnmapResource`. Where they could not be
 * taken from it, it may reach them until it is closed itself: see {@link ResourceMapping.quarantined}.
 */
export class ResourceMapping implements Disposable, Quarantined {
  /** The device that reaches the registers. */
  readonly device: DmaDevice
  readonly registers: IoRegion
  readonly byteLength: number
  readonly direction: TransferDirection
  readonly #iommu: IommuDomain
  /** Of the pages that are mapped, which begin at or before the first register. */
  readonly #start: DmaAddress
  readonly #mappedLength: number
  readonly #address: DmaAddress
  /** What the device knows of this: an address that can be read also while the device may not be given it. */
  readonly #child: DeviceChild
  #state: 'mapped' | 'quarantined' | 'ended' = 'mapped'
  #quarantineReason: unknown

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
    this.#child = {
      dmaAddress: this.#start,
      byteLength: this.#mappedLength,
      coherent: false,
      attend: (ledger) => ledger && this.#enter(ledger, false),
      close: () => this.close(),
    }
    device.adopt(this.#child)
    registers.users.add(this)
    if (device.ledger) this.#enter(device.ledger, true)
  }

  /** Whether the device is to reach the registers now. */
  get mapped(): boolean {
    return this.#state === 'mapped'
  }

  /** Whether the registers could not be taken from the device, which may then reach them until it is closed. */
  get quarantined(): boolean {
    return this.#state === 'quarantined'
  }

  /** Where the device finds the first register. @throws DMA_NOT_MAPPED, DMA_QUARANTINED; DMA_BUS_MASTER_OFF, DMA_CLOSED */
  get dmaAddress(): DmaAddress {
    this.#assertMapped()
    this.device.assertReady()
    return this.#address
  }

  /** See {@link dmaUnmapResource}. */
  unmap(): void {
    try {
      this.#assertMapped()
    } catch (error) {
      throw isDmaError(error, 'DMA_NOT_MAPPED') ? this.misused(error) : error
    }
    this.close()
  }

  /** The error for an unmap that cannot be, with what a checker knows. @internal */
  misused(error: DmaError): DmaError {
    const { device, direction, byteLength: size } = this
    const { ledger } = device
    const ended = ledger?.factsOfEnded(ledger.wholes.ended(this.#child))
    const facts = { address: this.#address, size, direction, ...ended }
    const found = { expected: 'registers that are mapped', actual: this.#state }
    return misused(device, DmaMisuse.UnmapUnknown, error, { ...facts, ...found })
  }

  /**
   * Takes the registers from the device. Idempotent.
   * @throws what the IOMMU answered; the mapping is then {@link quarantined}, and its address is not used again
   */
  close(): void {
    if (this.#state !== 'mapped') return
    this.#state = 'ended'
    this.device.disown(this.#child)
    this.registers.users.delete(this)
    try {
      this.#iommu.unmap(this.#start, this.#mappedLength, this.#mappedLength)
    } catch (error) {
      this.device.quarantine(this, error)
      throw error
    }
    this.#iommu.release(this.#start, this.#mappedLength)
  }

  /** Notes, and reports, that the device may still reach the registers. @internal */
  quarantine(device: DmaDevice, reason: unknown): void {
    this.#state = 'quarantined'
    this.#quarantineReason = reason
    // A device that is being closed lets go of everything in a moment.
    if (!device.closed) device.kernel.warn(this.#quarantinedError())
  }

  /** The device is closed, its address space gone. @internal */
  endQuarantine(): void {
    this.#state = 'ended'
  }

  /** Unmaps where that has not been done. */
  [Symbol.dispose](): void {
    this.close()
  }

  #enter(ledger: MappingLedger, isNew: boolean): void {
    ledger.wholes.enter(
      this.#child,
      MappingFamily.Resource,
      this.#address,
      this.byteLength,
      this.direction,
      isNew,
    )
  }

  #assertMapped(): void {
    if (this.#state === 'mapped') return
    if (this.#state === 'quarantined') throw this.#quarantinedError()
    throw new DmaError(
      'DMA_NOT_MAPPED',
      `${this.device.name} no longer has the registers of ${this.registers.name}`,
      { hint: 'they were unmapped, or one of the two devices was closed; map them again' },
    )
  }

  #quarantinedError(): DmaError {
    return new DmaError(
      'DMA_QUARANTINED',
      `${this.device.name} may still reach the registers of ${this.registers.name}: they could not be taken from it`,
      {
        hint: `close ${this.device.name}, which takes all that it reaches from it; until then its accesses may arrive there`,
        cause: this.#quarantineReason,
      },
    )
  }
}

/**
 * Lets a device reach registers of another one: peer-to-peer DMA, such as a network card that fills a controller's
 * memory or rings its doorbell. Mirrors `dma_map_resource()`.
 *
 * The device can reach all of the pages that the registers lie in. Whether its accesses arrive is a matter of the machine:
 * bridges and root ports may not pass them on, and in which widths they come is up to the device.
 *
 * On a DMA path without an IOMMU it is refused, where the kernel hands out the physical address of the registers: a device
 * wants their bus address, which this process cannot learn for every bridge, and a wrong one is an access to any memory.
 * Who knows the machine makes an address of the one in `/sys/bus/pci/devices/…/resource` by `dmaAddress()`.
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
  assertDevice('dmaMapResource', device)
  assertTransferDirection(direction)
  assertAttributes('dmaMapResource', attributes, NOT_FOR_REGISTERS)
  assertRegisters(device, registers, direction)
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
        hint: 'peer-to-peer DMA needs a DMA path with an IOMMU, such as that of openVfioDevice(); without one, dmaAddress() makes an address of what /sys/bus/pci/devices/…/resource says, where bus and physical addresses are the same',
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

/**
 * Takes registers from a device again. Mirrors `dma_unmap_resource()`: they can also be named by their address.
 * @throws DMA_NOT_MAPPED the second time, DMA_QUARANTINED; DMA_WRONG_DEVICE; by address also DMA_WRONG_SIZE, DMA_WRONG_DIRECTION,
 *   DMA_WRONG_FAMILY, DMA_ADDRESS_RANGE
 */
export function dmaUnmapResource(device: DmaDevice, mapping: ResourceMapping): void
export function dmaUnmapResource(
  device: DmaDevice,
  address: AnyDmaAddress,
  byteLength: number,
  direction: TransferDirection,
): void
export function dmaUnmapResource(
  device: DmaDevice,
  mapping: ResourceMapping | AnyDmaAddress,
  byteLength?: number,
  direction?: TransferDirection,
): void {
  if (isAddress(mapping)) {
    const named = { device, address: mapping, byteLength: byteLength!, direction: direction! }
    const { ledger, note } = findToEnd({
      ...named,
      of: 'dmaUnmapResource',
      family: MappingFamily.Resource,
    })
    ledger.wholes.of(note).close()
    return
  }
  if (!(mapping instanceof ResourceMapping)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${typeof mapping} is no mapping of registers`, {
      hint: 'pass what dmaMapResource() returned; mappings of memory go to dmaUnmapSingle()',
    })
  }
  if (mapping.device !== device) {
    assertDevice('dmaUnmapResource', device)
    throw mapping.misused(
      new DmaError('DMA_WRONG_DEVICE', `the mapping is ${mapping.device.name}’s, not ${device.name}’s`),
    )
  }
  mapping.unmap()
}

function assertRegisters(
  device: DmaDevice,
  registers: unknown,
  direction: TransferDirection,
): asserts registers is IoRegion {
  if (registers instanceof IoRegion) return
  const isMemory = registers instanceof DmaMemory || ArrayBuffer.isView(registers)
  const error = new DmaError(
    'DMA_NOT_REGISTERS',
    `dmaMapResource: ${isMemory ? 'memory' : typeof registers} where the registers of another device are meant`,
    { hint: 'pass other.bar(0); memory is mapped with dmaMapSingle() or createDmaRegion()' },
  )
  if (!isMemory) throw error
  const found = { expected: 'registers of another device', actual: 'memory' }
  const size = registers.byteLength
  throw misused(device, DmaMisuse.ResourceIsMemory, error, { size, direction, ...found })
}
