import {
  allocateDmaMemory,
  createDmaRegion,
  DmaError,
  dmaMaxMappingSize,
  formatDmaAddress,
  type Kernel,
  toNumber,
} from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { EduDriver } from './edu-driver'
import { ADDRESS_BITS, LONGEST_TRANSFER } from './registers'

/**
 * Puts an edu device through everything it can do, and says what came out. It knows nothing of whether the kernel it is
 * given is a real one.
 * @throws EDU_WRONG as soon as an answer is not the right one
 */
export async function demonstrate(
  kernel: Kernel,
  address: string,
  print: (line: string) => void,
): Promise<void> {
  const before = kernel.live()
  {
    // Closed in reverse order: the driver stops the device before the device is given back.
    using device = openVfioDevice(address, { kernel })
    using driver = new EduDriver(device)
    print(`identify    edu ${driver.revision} at ${address}`)
    expect(driver.isAlive(0x12345678), 'the device does not invert what is written')
    print('liveness    what is written comes back inverted')
    const factorial = await driver.factorial(10)
    expect(factorial === 3628800, `10! came back as ${factorial}`)
    print(`factorial   10! = ${factorial}, told by ${driver.interruptKind}`)
    await copyThroughRegion(driver, print)
    await copyUnregistered(driver, print)
  }
  const after = kernel.live()
  const descriptors = after.descriptors - before.descriptors
  const mappings = after.mappings - before.mappings
  print(`shutdown    ${descriptors} descriptors and ${mappings} mappings left`)
  expect(descriptors === 0 && mappings === 0, 'something was left open')
}

function expect(right: boolean, otherwise: string): void {
  if (!right) throw new DmaError('EDU_WRONG', otherwise)
}

/** Memory that is registered once: each mapping in it is arithmetic. */
async function copyThroughRegion(driver: EduDriver, print: (line: string) => void): Promise<void> {
  using region = createDmaRegion(driver.device, { byteLength: 2 * 4096 })
  const last = toNumber(region.dmaAddress) + region.byteLength - 1
  expect(last < 2 ** ADDRESS_BITS, `the region ends at 0x${last.toString(16)}, above the mask`)
  print(`mask        ${ADDRESS_BITS} bits: region at ${formatDmaAddress(region.dmaAddress)}, below it`)
  const outgoing = region.bytes.subarray(0, LONGEST_TRANSFER)
  const incoming = region.bytes.subarray(4096, 4096 + LONGEST_TRANSFER)
  print(`dma         region: ${await roundTrip(driver, outgoing, incoming)}`)
}

/** Memory that is not: each mapping is a system call, through the same function. */
async function copyUnregistered(driver: EduDriver, print: (line: string) => void): Promise<void> {
  using memory = allocateDmaMemory({ byteLength: 3 * 4096, kernel: driver.device.kernel })
  const longest = Math.min(1000, dmaMaxMappingSize(driver.device))
  // Neither begins nor ends on a page; the second crosses from one page into the next.
  const outgoing = memory.bytes.subarray(24, 24 + longest)
  const incoming = memory.bytes.subarray(8192 - 500, 8192 - 500 + longest)
  print(`dma         unregistered: ${await roundTrip(driver, outgoing, incoming)}`)
}

/** To the device and back, with every byte compared. */
async function roundTrip(driver: EduDriver, outgoing: Uint8Array, incoming: Uint8Array): Promise<string> {
  for (let i = 0; i < outgoing.length; i++) outgoing[i] = (i * 31 + 7) & 0xff
  await driver.copyToDevice(outgoing)
  await driver.copyFromDevice(incoming)
  const different = outgoing.findIndex((byte, i) => incoming[i] !== byte)
  expect(
    different < 0,
    `byte ${different} came back as ${incoming[different]}, and ${outgoing[different]} was sent`,
  )
  return `${outgoing.length} bytes to the device and back, every byte equal`
}
