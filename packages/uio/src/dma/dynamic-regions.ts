import { type DmaDevice, DmaError } from '@linux-dma/core'
import type { UioConnection } from '../device/connection'
import { UIO_DMEM_GENIRQ } from '../discovery/drivers'
import { iommuTranslates } from '../discovery/iommu'
import type { UioDeviceInfo, UioMapInfo } from '../discovery/uio-device-info'
import { DriverMemory } from './driver-memory'
import type { DriverWay } from './driver-way'
import { NOT_OFFERED } from './refusals'
import { RegionPool } from './region-pool'

/**
 * The dynamic regions of uio_dmem_genirq: allocated when the device is opened first, freed when it is closed last. Until Linux
 * 6.8 their `addr` was where the device finds them; since then it is where the kernel does, which no device may be given.
 *
 * One that was there before this process opened the device is another's, or none of these: it is neither zeroed nor given out. Two
 * processes that open the device at the same instant are not told apart.
 */
export class DynamicRegions implements DriverWay {
  readonly name = UIO_DMEM_GENIRQ
  readonly #connection: UioConnection
  readonly #pool = new RegionPool()

  constructor(connection: UioConnection) {
    this.#connection = connection
    const { info, kernel } = connection
    if (info.driver !== UIO_DMEM_GENIRQ || iommuTranslates(info)) return
    for (const map of info.maps.filter((one) => this.#isRegion(one))) {
      this.#pool.add({
        origin: `${UIO_DMEM_GENIRQ} map${map.index}`,
        busAddress: map.address,
        byteLength: map.byteLength,
        position: map.index * kernel.pageSize,
      })
    }
  }

  allocate(device: DmaDevice, byteLength: number, mask: bigint): DriverMemory {
    if (this.#pool.isEmpty) throw this.#whyNoRegion()
    const region = this.#pool.find(byteLength, mask)
    if (region === undefined) throw this.#pool.whyNone(device.name, byteLength, mask)
    return new DriverMemory(device, this.#connection, region, this.#pool)
  }

  /** Whether a map was allocated for this process: what is static, and what others had allocated, had its address before. */
  #isRegion({ index, addressKind, byteOffset }: UioMapInfo): boolean {
    if (byteOffset !== 0 || (addressKind !== 'memory' && addressKind !== 'unknown')) return false
    const before = this.#connection.before.maps.find((map) => map.index === index)
    return before?.addressKind === 'none'
  }

  #whyNoRegion(): DmaError {
    const { info } = this.#connection
    const { driver, node, maps } = info
    const having = (kind: UioMapInfo['addressKind']) => maps.filter(({ addressKind }) => addressKind === kind)
    const pointers = having('kernel-pointer')
    if (driver !== UIO_DMEM_GENIRQ) return otherDriver(info, pointers)
    if (pointers.length > 0) return kernelPointers(pointers)
    if (iommuTranslates(info)) return mistaken(node)
    const failed = having('none')
    if (failed.length > 0) {
      return new DmaError('ENOMEM', `the kernel could not allocate ${list(failed)} when ${node} was opened`, {
        hint: "'dmesg | tail' tells more; close the device, free memory, and open it again",
      })
    }
    const known = having('memory')
    if (known.length > 0) return inUse(node, known)
    const unknown = having('unknown')
    if (unknown.length === 0) {
      return new DmaError(NOT_OFFERED, `${node} has no dynamic region`)
    }
    return new DmaError(
      'DMA_NOT_MEMORY',
      `whether ${list(unknown)} is memory or registers cannot be told, since ${node} was open before`,
      { hint: `close it everywhere ('fuser -v /dev/${node}' tells where), and open it again; or be root` },
    )
  }
}

function otherDriver({ driver, devicePath }: UioDeviceInfo, pointers: readonly UioMapInfo[]): DmaError {
  const none = driver === undefined ? `there is no ${devicePath}/driver` : `the driver is ${driver}`
  if (pointers.length === 0) return new DmaError(NOT_OFFERED, none)
  const { index } = pointers[0]!
  return new DmaError(
    NOT_OFFERED,
    `${none}; of its own memory, ${list(pointers)}, the kernel says where it is to itself, and not to the device`,
    {
      hint: `the program can use it, device.mapMemory(${index}), and the device where its driver gives it the address`,
    },
  )
}

function kernelPointers(pointers: readonly UioMapInfo[]): DmaError {
  return new DmaError(
    'DMA_KERNEL_POINTER',
    `since Linux 6.9 the driver shows where ${list(pointers)} is to the kernel, and not where it is to the device`,
    {
      hint: `the program can use it, device.mapMemory(${pointers[0]!.index}), the device cannot be told of it`,
    },
  )
}

function inUse(node: string, maps: readonly UioMapInfo[]): DmaError {
  return new DmaError(
    'DMA_IN_USE',
    `${list(maps)} had an address before this process opened ${node}: another one has it open and may do DMA there, or it is none of the memory that the driver allocates`,
    { hint: `'fuser -v /dev/${node}' tells who has it open: end that one first` },
  )
}

function mistaken(node: string): DmaError {
  return new DmaError(
    'DMA_TRANSLATED',
    `an IOMMU translates what ${node} accesses, and this driver maps what is at the same address in physical memory: other memory`,
    { hint: 'use a kernel that lets devices pass, by iommu=pt on its command line' },
  )
}

function list(maps: readonly UioMapInfo[]): string {
  return maps.map(({ index, name }) => `map${index}${name === '' ? '' : ` '${name}'`}`).join(', ')
}
