import { type DmaDevice, DmaError } from '@linux-dma/core'
import type { UioConnection } from '../device/connection'
import { iommuTranslates } from '../discovery/iommu'
import type { UioMapInfo } from '../discovery/uio-device-info'
import { DriverMemory } from './driver-memory'
import type { DriverWay } from './driver-way'
import { NOT_OFFERED } from './refusals'
import { RegionPool } from './region-pool'

const DRIVER = 'uio_dmem_genirq'

/**
 * The dynamic regions of uio_dmem_genirq: allocated when the device is opened first, freed when it is closed last. Until Linux
 * 6.8 their `addr` was where the device finds them; since then it is where the kernel does, which no device may be given.
 */
export class DynamicRegions implements DriverWay {
  readonly name = DRIVER
  readonly #connection: UioConnection
  readonly #pool = new RegionPool()

  constructor(connection: UioConnection) {
    this.#connection = connection
    const { info, kernel } = connection
    if (info.driver !== DRIVER || iommuTranslates(info)) return
    for (const map of info.maps.filter((one) => this.#isRegion(one))) {
      this.#pool.add({
        origin: `${DRIVER} map${map.index}`,
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

  /**
   * Whether a map is memory that has a bus address. Where nobody says which addresses are memory: registers have had theirs
   * before the device was opened, too.
   */
  #isRegion({ index, addressKind, byteOffset }: UioMapInfo): boolean {
    if (byteOffset !== 0) return false
    if (addressKind === 'memory') return true
    const before = this.#connection.before.maps.find((map) => map.index === index)
    return addressKind === 'unknown' && before?.addressKind === 'none'
  }

  #whyNoRegion(): DmaError {
    const { info } = this.#connection
    const { driver, node, maps } = info
    const having = (kind: UioMapInfo['addressKind']) => maps.filter(({ addressKind }) => addressKind === kind)
    const pointers = having('kernel-pointer')
    if (driver !== DRIVER) return otherDriver(driver, pointers)
    if (pointers.length > 0) return kernelPointers(pointers)
    if (iommuTranslates(info)) return mistaken(node)
    const failed = having('none')
    if (failed.length > 0) {
      return new DmaError('ENOMEM', `the kernel could not allocate ${list(failed)} when ${node} was opened`, {
        hint: "'dmesg | tail' tells more; close the device, free memory, and open it again",
      })
    }
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

function otherDriver(driver: string | undefined, pointers: readonly UioMapInfo[]): DmaError {
  const none = `the driver is ${driver ?? 'unknown'}`
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
