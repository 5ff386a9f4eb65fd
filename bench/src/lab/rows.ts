import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMask,
  dmaUnmapSingle,
  toNumber,
} from '@linux-dma/core'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { nanosecondsPerOperation, pair, type Sample } from '../pair'
import type { Reference } from '../reference'
import type { Row } from '../row'
import { ACKNOWLEDGE_INTERRUPT, findEdus, RAISE_INTERRUPT } from './edu'
import { type Recorded, recordingKernel } from './recording-kernel'
import { uioRow } from './uio-row'

const ADDRESS_BITS = 28

/** In each sample: enough for the engine to have compiled the path before the first one counts. */
const MAPPINGS = 500

/**
 * Rows that need VFIO and an edu device. The device stays open until the process ends.
 * @param address the first edu device's by default
 */
export function labRows(reference: Reference, address?: string): Row[] {
  const { kernel, recorded } = recordingKernel()
  const [first, second] = findEdus(kernel)
  const edu = address ?? first
  if (edu === undefined) throw new Error('there is no edu device here: npm run lab -- --run bench/lab.mjs')
  const device = openVfioDevice(edu, { kernel })
  dmaSetMask(device, dmaBitMask(ADDRESS_BITS))
  device.setMaster()
  return [
    mapRow('map and unmap 4 KiB through VFIO', 4096, device, recorded, reference),
    mapRow('map and unmap through VFIO', 1 << 16, device, recorded, reference),
    mapRow('map and unmap 1 MiB through VFIO', 1 << 20, device, recorded, reference),
    singleRow(device, recorded, reference),
    registerRow(device, recorded, reference),
    interruptRow(device, recorded, reference),
    ...(second === undefined ? [] : [uioRow(kernel, recorded, reference, second)]),
  ]
}

/** VFIO_IOMMU_MAP_DMA and VFIO_IOMMU_UNMAP_DMA of memory that is there already: a region made and closed. */
function mapRow(
  name: string,
  byteLength: number,
  device: VfioDevice,
  recorded: Recorded,
  reference: Reference,
): Row {
  return {
    name,
    unit: 'µs',
    async measure(context) {
      using memory = allocateDmaMemory({ byteLength, kernel: device.kernel })
      memory.bytes.fill(1)
      const ours = (count: number) => {
        for (let index = 0; index < count; index++) createDmaRegion(device, { memory }).close()
      }
      return await pair(
        context,
        mapInC(device, recorded, reference, memory.address, byteLength),
        microseconds(ours, MAPPINGS),
      )
    },
  }
}

/** The same through dmaMapSingle(), of a buffer in no region. */
function singleRow(device: VfioDevice, recorded: Recorded, reference: Reference): Row {
  return {
    name: 'dmaMapSingle, unregistered 64 KiB',
    unit: 'µs',
    async measure(context) {
      using memory = allocateDmaMemory({ byteLength: 1 << 16, kernel: device.kernel })
      memory.bytes.fill(1)
      const ours = (count: number) => {
        for (let index = 0; index < count; index++) {
          dmaUnmapSingle(device, dmaMapSingle(device, memory.bytes, DmaDirection.Bidirectional))
        }
      }
      const c = mapInC(device, recorded, reference, memory.address, memory.byteLength)
      return await pair(context, c, microseconds(ours, MAPPINGS))
    },
  }
}

function mapInC(
  device: VfioDevice,
  recorded: Recorded,
  reference: Reference,
  address: number,
  byteLength: number,
): Sample {
  const container = recorded.opened.get('/dev/vfio/vfio')!
  // An address that the library would choose, and leaves free again.
  const probe = createDmaRegion(device, { byteLength })
  const iova = toNumber(probe.dmaAddress)
  probe.close()
  return microseconds(
    (count) => reference.vfioMapUnmap(container, address, byteLength, iova, count),
    MAPPINGS,
  )
}

/** A register of the device itself. */
function registerRow(device: VfioDevice, recorded: Recorded, reference: Reference): Row {
  return {
    name: 'register read of a device, bound',
    unit: 'µs',
    measure(context) {
      const register = device.bar(0).register32(0)
      const address = mapBarInC(recorded, reference)
      const ours = (count: number) => {
        let sum = 0
        for (let index = 0; index < count; index++) sum = (sum + register.read()) | 0
        return sum
      }
      return pair(
        context,
        microseconds((count) => reference.readRegister(address, count), 5000),
        microseconds(ours, 5000),
      )
    },
  }
}

/** From the write that raises an interrupt to the write that acknowledges it, with the eventfd between. */
function interruptRow(device: VfioDevice, recorded: Recorded, reference: Reference): Row {
  return {
    name: 'interrupt raised, delivered, acknowledged',
    unit: 'µs',
    async measure(context) {
      const rounds = 100
      const bar = device.bar(0)
      const raise = bar.register32(RAISE_INTERRUPT)
      const acknowledge = bar.register32(ACKNOWLEDGE_INTERRUPT)
      const address = mapBarInC(recorded, reference)
      const interrupts = device.interrupts()
      const eventfd = recorded.eventfds.at(-1)!
      const ours = async () => {
        const start = process.hrtime.bigint()
        for (let round = 0; round < rounds; round++) {
          raise.write(1)
          await interrupts.next()
          acknowledge.write(1)
        }
        return Number(process.hrtime.bigint() - start) / 1000 / rounds
      }
      const c = microseconds(
        (count) =>
          reference.interruptRounds(
            eventfd,
            address + RAISE_INTERRUPT,
            address + ACKNOWLEDGE_INTERRUPT,
            count,
          ),
        rounds,
      )
      const measured = await pair(context, c, ours)
      interrupts.close()
      return measured
    },
  }
}

/** The window that the library mapped, mapped once more. */
function mapBarInC(recorded: Recorded, reference: Reference): number {
  const { fd, options } = recorded.registerWindows[0]!
  return reference.mapShared(fd, 4096, options.position ?? 0)
}

function microseconds(loop: (count: number) => unknown, count: number): () => number {
  const sample = nanosecondsPerOperation(loop, count)
  return () => sample() / 1000
}
