import { DmaError, type Kernel, toNumber } from '@linux-dma/core'
import { bindDriver } from '@linux-dma/pci'
import { openUio } from '@linux-dma/uio'
import { EduDriver } from '../../edu-driver/src/edu-driver'
import { ADDRESS_BITS, LONGEST_TRANSFER } from '../../edu-driver/src/registers'

/**
 * Puts an edu device through what the example of VFIO does, by the same driver, over UIO: the device is bound to
 * uio_pci_generic for that long. It knows nothing of whether the kernel it is given is a real one.
 * @throws EDU_WRONG as soon as an answer is not the right one
 */
export async function demonstrate(
  kernel: Kernel,
  address: string,
  print: (line: string) => void,
): Promise<void> {
  const before = kernel.live()
  const otherDriver = bindDriver(address, 'uio_pci_generic', { kernel })
  try {
    await drive(kernel, address, print)
  } finally {
    bindDriver(address, otherDriver ?? null, { kernel })
  }
  const after = kernel.live()
  const descriptors = after.descriptors - before.descriptors
  const mappings = after.mappings - before.mappings
  print(`shutdown    ${descriptors} descriptors and ${mappings} mappings left`)
  expect(descriptors === 0 && mappings === 0, 'something was left open')
}

async function drive(kernel: Kernel, address: string, print: (line: string) => void): Promise<void> {
  // No IOMMU stands between this device and memory: that has to be asked for, and is refused where one does.
  using device = openUio({ pci: address }, { kernel, unsafePhysicalAddresses: true })
  print(`open        ${address} by ${device.info.name}, BAR 0 is map ${device.info.pci?.bars[0]?.map}`)
  using driver = new EduDriver(device)
  print(`identify    edu ${driver.revision}`)
  expect(driver.isAlive(0x12345678), 'the device does not invert what is written')
  print('liveness    what is written comes back inverted')
  const factorial = await driver.factorial(10)
  expect(factorial === 3628800, `10! came back as ${factorial}`)
  print(`factorial   10! = ${factorial}, told by ${driver.interruptKind}`)

  // Memory that device and program share: found below the mask, since nothing translates for it.
  using ring = device.allocateCoherent(LONGEST_TRANSFER)
  expect(toNumber(ring.dmaAddress) + ring.byteLength <= 2 ** ADDRESS_BITS, 'the ring is out of reach')
  print(`coherent    ${ring.byteLength} bytes by ${ring.origin}, below ${ADDRESS_BITS} bits`)

  // Any buffer: what the device does not reach is copied to where it does.
  const outgoing = Uint8Array.from({ length: LONGEST_TRANSFER }, (_, i) => (i * 31 + 7) & 0xff)
  const incoming = new Uint8Array(LONGEST_TRANSFER)
  await driver.copyToDevice(outgoing)
  await driver.copyFromDevice(incoming)
  const different = outgoing.findIndex((byte, i) => incoming[i] !== byte)
  expect(different < 0, `byte ${different} came back as ${incoming[different]}, not ${outgoing[different]}`)
  print(`dma         ${outgoing.length} bytes to the device and back, every byte equal`)
}

function expect(right: boolean, otherwise: string): void {
  if (!right) throw new DmaError('EDU_WRONG', otherwise)
}
