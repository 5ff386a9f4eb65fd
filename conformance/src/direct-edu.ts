import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  type DmaDevice,
  type DmaMemory,
  directOps,
  dmaBitMask,
  dmaSetMaskAndCoherent,
  type IoRegion,
  readFrames,
} from '@linux-dma/core'
import { withBareDevice } from './bare-device'
import type { Host } from './host'

/** What the suites of physical addresses share: the edu device by them, and pages that it reaches or that lie apart. */
export function directEdu(host: Host) {
  const { kernel, edu } = host
  const page = kernel.pageSize
  /** The highest address that the device's engine drives. */
  const reach = 2 ** host.eduAddressBits - 1
  const opened: DmaMemory[] = []

  /** Runs a test with the edu device, opened without any driver. */
  const withEdu = (test: (device: DmaDevice, registers: IoRegion) => void | Promise<void>) =>
    withBareDevice(
      host,
      directOps({ unsafePhysicalAddresses: true, kernel, pciAddress: edu }),
      async (device, registers) => {
        // Wider than the engine: where its transfers go is chosen here, and most tests make none.
        dmaSetMaskAndCoherent(device, dmaBitMask(64))
        try {
          await test(device, registers)
        } finally {
          for (const memory of opened.splice(0)) memory.close()
        }
      },
    )

  /** Pages that the device's engine reaches. What was looked through is kept till the end of the test, to get further. */
  const reachablePages = (count: number): Uint8Array[] => {
    const found: Uint8Array[] = []
    for (let round = 0; found.length < count && round < 128; round++) {
      const memory = allocateDmaMemory({ byteLength: 1024 * page, kernel })
      opened.push(memory)
      using _pin = memory.pin()
      readFrames(memory).forEach((frame, index) => {
        if (frame * page <= reach) found.push(memory.bytes.subarray(index * page, (index + 1) * page))
      })
    }
    assert.ok(found.length >= count, `no page below 0x${reach.toString(16)} in 512 MiB`)
    return found
  }

  /** Pages of which no two that are neighbours in the buffer are so to a device: made in turns with others. */
  const scattered = (pages: number): DmaMemory => {
    const memory = allocateDmaMemory({ byteLength: pages * page, kernel })
    using other = allocateDmaMemory({ byteLength: pages * page, kernel })
    for (let at = 0; at < memory.byteLength; at += page) {
      memory.bytes[at] = 1
      other.bytes[at] = 1
    }
    return memory
  }

  const pinnedKilobytes = () => Number(/^VmPin:\s+(\d+) kB/m.exec(kernel.readText('/proc/self/status'))?.[1])

  return { page, reach, withEdu, reachablePages, scattered, pinnedKilobytes }
}
