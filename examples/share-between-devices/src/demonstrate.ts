import {
  allocateDmaMemory,
  createDmaRegion,
  DmaError,
  type DmaMemory,
  dmaBitMask,
  dmaSetMaskAndCoherent,
  formatDmaAddress,
  getDmaOps,
  type Kernel,
} from '@linux-dma/core'
import { createUdmabuf, type DmaBuf, receiveDmaBuf, sendDmaBuf } from '@linux-dma/udmabuf'
import { openVfioDevice } from '@linux-dma/vfio'
import { EduDriver } from '../../edu-driver/src/edu-driver'
import { LONGEST_TRANSFER } from '../../edu-driver/src/registers'

/** The PCI addresses of two edu devices. The second has 64 address lines, where the first has 28. */
export interface Devices {
  readonly first: string
  readonly second: string
}

/**
 * Gives one memory to two devices and, as a dma-buf, over a socket to itself, and lets bytes go from one to the other. It
 * knows nothing of whether the kernel it is given is a real one.
 * @throws SHARE_WRONG as soon as somebody sees other bytes than it should
 */
export async function demonstrate(
  kernel: Kernel,
  { first, second }: Devices,
  print: (line: string) => void,
): Promise<void> {
  const before = kernel.live()
  {
    // Closed in reverse order: the drivers stop their devices before anything is taken from them.
    using near = openVfioDevice(first, { kernel })
    using far = openVfioDevice(second, { kernel })
    using memory = allocateDmaMemory({ byteLength: 4 * kernel.pageSize, kernel })
    using reader = new EduDriver(far)
    using writer = new EduDriver(near)
    // The driver has said 28 bits, which every edu device has: this one reaches everything.
    dmaSetMaskAndCoherent(far, dmaBitMask(64))
    map(memory, [writer, reader], print)
    using buffer = createUdmabuf({ memory, name: 'shared' })
    print(`dma-buf     the same ${buffer.size} bytes, by ${buffer.info().exporter}`)
    const sent = await throughDevices(memory, writer, reader, print)
    await throughDmaBuf(buffer, memory, writer, sent, print)
  }
  const after = kernel.live()
  const descriptors = after.descriptors - before.descriptors
  const mappings = after.mappings - before.mappings
  print(`shutdown    ${descriptors} descriptors and ${mappings} mappings left`)
  expect(descriptors === 0 && mappings === 0, 'something was left open')
}

/** Maps the memory for each device once: it lies at another address for each. */
function map(memory: DmaMemory, drivers: readonly EduDriver[], print: (line: string) => void): void {
  print(`memory      ${memory.byteLength} bytes, of one memfd`)
  for (const { device } of drivers) {
    createDmaRegion(device, { memory })
    expect(getDmaOps(device).bouncer === undefined, `what goes to ${device.name} may be copied`)
    print(`address     ${formatDmaAddress(memory.dmaAddressFor(device))} for ${device.name}`)
  }
}

/** One device writes, the other reads that and writes it elsewhere: the CPU moves none of it. */
async function throughDevices(
  memory: DmaMemory,
  writer: EduDriver,
  reader: EduDriver,
  print: (line: string) => void,
): Promise<Uint8Array> {
  const [start, middle, end] = pagesOf(memory.bytes, memory.kernel.pageSize)
  const sent = Uint8Array.from({ length: LONGEST_TRANSFER }, (_, i) => (i * 31 + 7) & 0xff)
  start!.set(sent)
  await writer.copyToDevice(start!)
  await writer.copyFromDevice(middle!)
  assertSame(middle!, sent, 'JavaScript, in what the first device wrote')
  print(`first       ${writer.device.name} wrote ${sent.length} bytes into it, and JavaScript sees them`)
  await reader.copyToDevice(middle!)
  await reader.copyFromDevice(end!)
  assertSame(end!, sent, 'JavaScript, in what the second device read and wrote')
  print(`second      ${reader.device.name} read them there, and wrote them to the next page`)
  print('copies      none by the CPU: neither device has its accesses copied')
  return sent
}

/** A descriptor of its own, as who receives the dma-buf has one, shows the same pages: what is written there the device reads. */
async function throughDmaBuf(
  buffer: DmaBuf,
  memory: DmaMemory,
  device: EduDriver,
  sent: Uint8Array,
  print: (line: string) => void,
): Promise<void> {
  const { kernel } = memory
  const answer = sent.map((byte) => byte ^ 0xff)
  const received = await passOn(kernel, buffer)
  try {
    expect(received.inode === buffer.inode, 'another buffer arrived')
    received.cpuAccess('read-write', (bytes) => {
      const [, , end, last] = pagesOf(bytes, kernel.pageSize)
      assertSame(end!, sent, 'the received dma-buf, in what the second device wrote')
      last!.set(answer)
    })
  } finally {
    received.close()
  }
  print(
    'import      a second descriptor, received over a socket by this same process: sees them too, writes an answer',
  )
  const [start, , , last] = pagesOf(memory.bytes, kernel.pageSize)
  await device.copyToDevice(last!)
  await device.copyFromDevice(start!)
  assertSame(start!, answer, 'the first device, in the answer')
  print(`answer      ${device.device.name} read it`)
}

/** The buffer as another process gets it, over a socket with a descriptor of its own; both ends are this process here. */
async function passOn(kernel: Kernel, buffer: DmaBuf): Promise<DmaBuf> {
  const [ours, theirs] = kernel.socketPair()
  try {
    await sendDmaBuf(ours, buffer)
    const got = await receiveDmaBuf(theirs, { kernel })
    return got!.buffers[0]!
  } finally {
    kernel.close(ours)
    kernel.close(theirs)
  }
}

/** As much of each page as the engine moves at once. */
function pagesOf(bytes: Uint8Array, pageSize: number): Uint8Array[] {
  const starts = Array.from({ length: bytes.length / pageSize }, (_, page) => page * pageSize)
  return starts.map((start) => bytes.subarray(start, start + LONGEST_TRANSFER))
}

function assertSame(found: Uint8Array, wanted: Uint8Array, who: string): void {
  const different = wanted.findIndex((byte, i) => found[i] !== byte)
  expect(different < 0, `${who}: byte ${different} is ${found[different]}, not ${wanted[different]}`)
}

function expect(right: boolean, otherwise: string): asserts right {
  if (!right) throw new DmaError('SHARE_WRONG', otherwise)
}
