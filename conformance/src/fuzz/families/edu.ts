import fc from 'fast-check'
import { ioctls, words } from '../../raw-vfio'
import { type Family, type Operation, type Outcome, operation } from '../family'
import { describeBytes } from '../outcome'
import { BUFFER_ADDRESS, BUFFER_BYTES, register, untilComputed, untilIdle } from './edu-registers'
import {
  closeEduWorld,
  type EduWorld,
  eduWorld,
  MEMORY_PAGES,
  mapForDevice,
  setMaster,
  unmapForDevice,
} from './edu-world'

type Operations = { readonly [name: string]: Operation<EduWorld> }

/** Milliseconds that an interrupt may take, which comes on its own. */
const SETTLED = 1

const value32 = fc.oneof(
  fc.constantFrom(0, 1, 0x80, 0x100, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
)
const known = fc.constantFrom(...Object.values(register))
/** Offsets in bytes: registers, what lies between them, and the end of the BAR. */
const offsets = fc.oneof(
  { weight: 10, arbitrary: known },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 0xb0 }) },
  { weight: 1, arbitrary: fc.constantFrom(0x1000, 0x4_0000, 0xf_fff8) },
)
const widths = fc.oneof(
  { weight: 8, arbitrary: fc.constant(32 as const) },
  { weight: 2, arbitrary: fc.constant(64 as const) },
  { weight: 1, arbitrary: fc.constantFrom(8 as const, 16 as const) },
)

interface Access {
  readonly at: number
  readonly width: 8 | 16 | 32 | 64
}

const accesses: fc.Arbitrary<Access> = fc
  .record({ at: offsets, width: widths })
  .map(({ at, width }) => ({ at: at - (at % (width / 8)), width }))

function read({ registers }: EduWorld, { at, width }: Access): Outcome {
  if (width === 64) return registers.read64(at)
  return width === 32 ? registers.read32(at) : width === 16 ? registers.read16(at) : registers.read8(at)
}

/**
 * A write that starts no transfer: those are asked for in full, since one outside the buffer ends QEMU. Nor does it ask for a
 * factorial that would take seconds.
 */
function write({ registers }: EduWorld, { at, width }: Access, value: number, high: number): void {
  const low =
    at === register.command ? (value & ~1) >>> 0 : at === register.factorial ? value & 0xffff : value
  if (width === 64) registers.write64(at, low, high)
  else if (width === 32) registers.write32(at, low)
  else if (width === 16) registers.write16(at, low & 0xffff)
  else registers.write8(at, low & 0xff)
}

/** The interrupt of a factorial comes some time after its end: only where a program waits for it, it is asked for. */
function expectNoInterrupt({ registers }: EduWorld): void {
  registers.write32(register.status, 0)
}

/** Pages that the device may be given, and where it may look for memory: most are among both. */
const places = fc.integer({ min: 0, max: MEMORY_PAGES + 2 })

const transfers = fc.record({
  toDevice: fc.boolean(),
  page: places,
  /** Bytes into the page: also such that a transfer ends in the next one. */
  byteOffset: fc.oneof(fc.constantFrom(0, 4095, 2048), fc.integer({ min: 0, max: 4095 })),
  buffer: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: BUFFER_BYTES - 1 })),
  byteLength: fc.oneof(fc.constantFrom(1, 2, 16, BUFFER_BYTES), fc.integer({ min: 1, max: BUFFER_BYTES })),
  interrupt: fc.boolean(),
  /** Address bits that the device has no lines for. */
  above: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, 15) }),
  /** Registers that are written while the transfer is under way. */
  meanwhile: fc.array(fc.record({ access: accesses, value: value32 }), { maxLength: 3 }),
})

/** Registers, factorials and interrupts of edu: quick. */
const registerOperations: Operations = {
  read: operation(accesses, (access: Access, world: EduWorld) => read(world, access), 8),
  write: operation(
    fc.record({ access: accesses, value: value32, high: value32 }),
    async ({ access, value, high }, world: EduWorld) => {
      if (access.at === register.factorial) expectNoInterrupt(world)
      write(world, access, value, high)
      await untilComputed(world)
      return null
    },
    8,
  ),
  /** Through the descriptor, in pieces that the kernel chooses. */
  readBytes: operation(
    fc.record({ at: offsets, byteLength: fc.integer({ min: 0, max: 40 }) }),
    ({ at, byteLength }, { kernel, device }: EduWorld) => {
      const bytes = new Uint8Array(byteLength)
      return [kernel.read(device, bytes, at), describeBytes(bytes)]
    },
    3,
  ),
  writeBytes: operation(
    fc.record({ at: offsets, bytes: fc.uint8Array({ maxLength: 24 }) }),
    async ({ at, bytes }, world: EduWorld) => {
      const { kernel, device } = world
      const safe = bytes.slice()
      const limit = (place: number, mask: number) => {
        if (at <= place && place < at + safe.length) safe[place - at]! &= mask
      }
      limit(register.command, 0xfe)
      limit(register.factorial + 2, 0)
      limit(register.factorial + 3, 0)
      if (at <= register.factorial && register.factorial < at + safe.length) expectNoInterrupt(world)
      const written = kernel.write(device, safe, at)
      await untilComputed(world)
      return written
    },
    3,
  ),
  /** All that a program may see of the device without changing it. */
  registers: operation(fc.record({}), (_, world: EduWorld) => {
    return Object.values(register).map((at) => world.registers.read32(at))
  }),
  factorial: operation(
    fc.record({
      of: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 20_000 })),
      interrupt: fc.boolean(),
    }),
    async ({ of, interrupt }, world: EduWorld) => {
      const { registers } = world
      registers.write32(register.status, interrupt ? 0x80 : 0)
      registers.write32(register.acknowledge, 1)
      registers.write32(register.factorial, of)
      await untilIdle(world)
      // QEMU's device computes in a thread, which raises its interrupt some time after it has said that it is done.
      while (interrupt && (registers.read32(register.interruptStatus) & 1) === 0)
        await world.kernel.clock.sleep(1)
      return [registers.read32(register.factorial), registers.read32(register.status)]
    },
    2,
  ),
}

/** Interrupts: which kind is on, and how many have come. */
const interruptOperations: Operations = {
  setIrqs: operation(
    fc.record({ index: fc.constantFrom(0, 1), on: fc.boolean() }),
    ({ index, on }, { kernel, device, eventfd, registers }: EduWorld) => {
      // A line that is up already when INTx is enabled is told of by hardware, and forgotten by QEMU's IOAPIC.
      registers.write32(register.acknowledge, 0xffff_ffff)
      const argument = on ? words(24, 0x24, index, 0, 1, eventfd) : words(20, 0x21, index, 0, 0)
      return kernel.ioctl(device, ioctls.DEVICE_SET_IRQS, argument, 'DEVICE_SET_IRQS')
    },
    2,
  ),
  mask: operation(
    fc.record({ action: fc.constantFrom(0x09, 0x11, 0x11) }),
    ({ action }, { kernel, device }: EduWorld) =>
      kernel.ioctl(device, ioctls.DEVICE_SET_IRQS, words(20, action, 0, 0, 1), 'DEVICE_SET_IRQS'),
    3,
  ),
  raise: operation(
    fc.record({ value: value32 }),
    async ({ value }, { kernel, registers }: EduWorld) => {
      registers.write32(register.raise, value)
      await kernel.clock.sleep(SETTLED)
      return registers.read32(register.interruptStatus)
    },
    2,
  ),
  acknowledge: operation(
    fc.record({ value: value32 }),
    ({ value }, { registers }: EduWorld) => {
      registers.write32(register.acknowledge, value)
      return registers.read32(register.interruptStatus)
    },
    2,
  ),
  interrupts: operation(
    fc.record({}),
    async (_, { kernel, eventfd }: EduWorld) => {
      await kernel.clock.sleep(SETTLED)
      const count = new BigUint64Array(1)
      kernel.read(eventfd, new Uint8Array(count.buffer))
      return count[0]
    },
    3,
  ),
}

/** Memory: what the device reaches of it, and what it moves. */
const memoryOperations: Operations = {
  map: operation(
    fc.record({
      page: fc.integer({ min: 0, max: MEMORY_PAGES - 1 }),
      pages: fc.integer({ min: 1, max: 3 }),
      at: places,
      // Not for writing alone: the IOMMU of the specification keeps a device from reading that, and QEMU's does not.
      flags: fc.constantFrom(3, 3, 1),
    }),
    ({ pages, page, ...rest }, world: EduWorld) =>
      mapForDevice(world, { ...rest, pages, page: Math.min(page, MEMORY_PAGES - pages) }),
    4,
  ),
  unmap: operation(
    fc.record({ at: places, pages: fc.integer({ min: 1, max: 4 }) }),
    ({ at, pages }, world: EduWorld) => unmapForDevice(world, at, pages),
    2,
  ),
  master: operation(fc.record({ on: fc.constantFrom(true, true, false) }), ({ on }, world: EduWorld) => {
    setMaster(world, on)
    return on
  }),
  fill: operation(
    fc.record({
      value: fc.integer({ min: 0, max: 255 }),
      at: fc.nat(MEMORY_PAGES * 4096 - 1),
      byteLength: fc.nat(6000),
    }),
    ({ value, at, byteLength }, { memory }: EduWorld) => {
      memory.bytes.fill(value, at, at + byteLength)
      return null
    },
    2,
  ),
  memory: operation(fc.record({}), (_, { memory }: EduWorld) => describeBytes(memory.bytes)),
  transfer: operation(
    transfers,
    async (words, world: EduWorld) => {
      if (!world.known) await clearBuffer(world)
      const { registers, memory } = world
      const address = words.page * 4096 + words.byteOffset + words.above * 2 ** 28
      const buffer = BUFFER_ADDRESS + Math.min(words.buffer, BUFFER_BYTES - words.byteLength)
      start(world, words.toDevice, address, buffer, words.byteLength, words.interrupt ? 4 : 0)
      for (const { access, value } of words.meanwhile) {
        if (access.at === register.factorial) expectNoInterrupt(world)
        write(world, access, value, 0)
      }
      const held = [register.source, register.destination, register.count].map((at) => registers.read64(at))
      await untilIdle(world)
      return [held, registers.read32(register.command), describeBytes(memory.bytes)]
    },
    // Rarely: it takes a tenth of a second of real time.
    1 / 2,
  ),
}

/** Fills the device's buffer with zeros, of which nobody knows what another program has left in it. */
async function clearBuffer(world: EduWorld): Promise<void> {
  const { memory } = world
  const first = memory.bytes.slice(0, 4096)
  const far = 2 ** 14
  memory.bytes.fill(0, 0, 4096)
  mapForDevice(world, { page: 0, pages: 1, at: far, flags: 1 })
  setMaster(world, true)
  start(world, true, far * 4096, BUFFER_ADDRESS, BUFFER_BYTES, 0)
  await untilIdle(world)
  unmapForDevice(world, far, 1)
  memory.bytes.set(first)
  world.known = true
}

function start(
  { registers }: EduWorld,
  toDevice: boolean,
  address: number,
  buffer: number,
  byteLength: number,
  flags: number,
): void {
  const [source, destination] = toDevice ? [address, buffer] : [buffer, address]
  registers.write64(register.source, source >>> 0, Math.floor(source / 2 ** 32))
  registers.write64(register.destination, destination >>> 0, Math.floor(destination / 2 ** 32))
  registers.write64(register.count, byteLength, 0)
  registers.write32(register.command, 1 | (toDevice ? 0 : 2) | flags)
}

/** QEMU's edu under VFIO: what its registers say, which interrupts come, and what its DMA engine moves where. */
export const edu: Family<EduWorld> = {
  name: 'edu',
  machineKind: 'iommu',
  longest: 300,
  setUp: eduWorld,
  tearDown: closeEduWorld,
  operations: { ...registerOperations, ...interruptOperations, ...memoryOperations },
  observe: ({ memory }) => describeBytes(memory.bytes),
}
