import fc from 'fast-check'
import { type Operation, type Outcome, operation } from '../family'
import { describeBytes } from '../outcome'
import { descriptorOf, fileOf, isOther, type VfioWorld } from './vfio-world'

type Operations = { readonly [name: string]: Operation<VfioWorld> }

const devices = fileOf('device')
const REGION = 2 ** 40
const CONFIG_REGION = 7
const CONFIG_BYTES = 256

/** Where configuration space says something that is chance: addresses of BARs, and the line that the firmware chose. */
const chance = [
  [0x10, 0x28],
  [0x3c, 0x3d],
] as const

/** Bits of a word in configuration space that may be changed, by offset: what harms nobody. */
const writable = [
  { at: 0x04, bytes: 2 },
  { at: 0x04, bytes: 1 },
  { at: 0x05, bytes: 1 },
  { at: 0x00, bytes: 4 },
  { at: 0x06, bytes: 2 },
  { at: 0x0c, bytes: 4 },
  { at: 0x0d, bytes: 1 },
  { at: 0x2c, bytes: 4 },
  { at: 0x34, bytes: 1 },
  { at: 0x3d, bytes: 1 },
  { at: 0x40, bytes: 2 },
  { at: 0x42, bytes: 2 },
  { at: 0x42, bytes: 1 },
  { at: 0x44, bytes: 4 },
  { at: 0x48, bytes: 4 },
  { at: 0x4c, bytes: 2 },
] as const
const COMMAND = 0x04

/** Registers of edu that take what is written, or tell what became of it; none of the DMA engine. */
const registers = fc.constantFrom(0x00, 0x04, 0x20, 0x24, 0x60, 0x64, 0x70)

function hideChance(bytes: Uint8Array, position: number): Uint8Array {
  for (const [start, end] of chance) {
    bytes.fill(0, Math.max(0, start - position), Math.max(0, end - position))
  }
  return bytes
}

/** What is read and written through the device's descriptor, and mapped. */
export const vfioAccess: Operations = {
  readConfig: operation(
    fc.record({
      device: devices,
      at: fc.oneof(fc.integer({ min: 0, max: 0x60 }), fc.integer({ min: 0, max: CONFIG_BYTES + 4 })),
      length: fc.oneof(fc.constantFrom(1, 2, 4), fc.integer({ min: 0, max: 70 }), fc.constant(CONFIG_BYTES)),
    }),
    ({ device, at, length }, world: VfioWorld) => {
      const bytes = new Uint8Array(length)
      const result = world.kernel.read(descriptorOf(world, device), bytes, CONFIG_REGION * REGION + at)
      return [result, describeBytes(hideChance(bytes, at))]
    },
    3,
  ),
  writeConfig: operation(
    fc.record({
      device: devices,
      place: fc.constantFrom(...writable),
      value: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    }),
    ({ device, place, value }, world: VfioWorld) => {
      // What is written to the network card's own part stays, for programs to come, and is not undone.
      if (isOther(world, device) && place.at >= 0x40) return 'left out'
      const bytes = value.slice(0, place.bytes)
      const fd = descriptorOf(world, device)
      return world.kernel.write(fd, bytes, CONFIG_REGION * REGION + place.at)
    },
    3,
  ),
  /** I/O, memory, bus master and the pin: what drivers do change. */
  command: operation(
    fc.record({ device: devices, bits: fc.constantFrom(0x0, 0x2, 0x3, 0x6, 0x7, 0x402, 0x406) }),
    ({ device, bits }, world: VfioWorld) => {
      const bytes = Uint8Array.of(bits & 0xff, bits >> 8)
      return world.kernel.write(descriptorOf(world, device), bytes, CONFIG_REGION * REGION + COMMAND)
    },
    3,
  ),
  /** How large a BAR is, as one asks it: all ones are written, and what comes back is told. */
  sizeBar: operation(
    fc.record({ device: devices, bar: fc.integer({ min: 0, max: 6 }) }),
    ({ device, bar }, world: VfioWorld) => sizeBar(world, descriptorOf(world, device), bar),
  ),
  readRegisters: operation(
    fc.record({
      device: fc.record({ of: fc.constant('device' as const), index: fc.integer({ min: 0, max: 3 }) }),
      region: fc.oneof(
        { weight: 16, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.constantFrom(1, 5, 6, 8, 9, 200) },
      ),
      at: fc.oneof(
        { weight: 6, arbitrary: registers },
        { weight: 2, arbitrary: fc.integer({ min: 0, max: 0x90 }) },
        { weight: 1, arbitrary: fc.constantFrom(0xf_fff8, 0xf_fffe, 0x10_0000, 0x10_0004) },
      ),
      length: fc.oneof(
        { weight: 6, arbitrary: fc.constant(4) },
        { weight: 2, arbitrary: fc.integer({ min: 0, max: 20 }) },
      ),
    }),
    ({ device, region, at, length }, world: VfioWorld) => {
      if (isOther(world, device)) return 'left out'
      const bytes = new Uint8Array(length)
      const result = world.kernel.read(descriptorOf(world, device), bytes, region * REGION + at)
      return [result, describeBytes(bytes)]
    },
    4,
  ),
  writeRegister: operation(
    fc.record({
      device: fc.record({ of: fc.constant('device' as const), index: fc.integer({ min: 0, max: 3 }) }),
      at: registers,
      value: fc.oneof(fc.constantFrom(0, 1, 0x80, 0xffff_ffff), fc.integer({ min: 0, max: 0xffff_ffff })),
    }),
    ({ device, at, value }, world: VfioWorld) => {
      if (isOther(world, device)) return 'left out'
      const { bytes } = word(value)
      return world.kernel.write(descriptorOf(world, device), bytes, at)
    },
    4,
  ),
  /** The device raises an interrupt, which takes its time to arrive. */
  interrupt: operation(
    fc.record({
      device: fc.record({ of: fc.constant('device' as const), index: fc.integer({ min: 0, max: 3 }) }),
      acknowledge: fc.boolean(),
    }),
    async ({ device, acknowledge }, world: VfioWorld) => {
      if (isOther(world, device)) return 'left out'
      const { kernel } = world
      const fd = descriptorOf(world, device)
      kernel.write(fd, word(1).bytes, 0x60)
      await kernel.clock.sleep(SETTLED)
      return acknowledge ? kernel.write(fd, word(0xffff_ffff).bytes, 0x64) : null
    },
    3,
  ),
  readEventfd: operation(
    fc.record({ eventfd: fileOf('eventfd') }),
    async ({ eventfd }, world: VfioWorld) => {
      if (eventfd.of !== 'eventfd') return null
      await world.kernel.clock.sleep(SETTLED)
      const count = new BigUint64Array(1)
      world.kernel.read(descriptorOf(world, eventfd), new Uint8Array(count.buffer))
      return count[0]
    },
    4,
  ),
  writeEventfd: operation(
    fc.record({ eventfd: fileOf('eventfd'), count: fc.integer({ min: 0, max: 3 }) }),
    async ({ eventfd, count }, world: VfioWorld) => {
      if (eventfd.of !== 'eventfd') return null
      const bytes = new Uint8Array(new BigUint64Array([BigInt(count)]).buffer)
      const written = world.kernel.write(descriptorOf(world, eventfd), bytes)
      // VFIO hears of it by a work queue.
      await world.kernel.clock.sleep(SETTLED)
      return written
    },
  ),
  mapRegisters: operation(
    fc.record({
      device: devices,
      region: fc.oneof(
        { weight: 12, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 10 }) },
      ),
      page: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 0, max: 3 }) },
        { weight: 1, arbitrary: fc.constantFrom(255, 256, 257) },
      ),
      off: fc.oneof(
        { weight: 12, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.constantFrom(1, 0x800) },
      ),
      byteLength: fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(1, 4096, 8192) },
        { weight: 1, arbitrary: fc.constantFrom(0x10_0000, 0x10_0001, 4097) },
      ),
      access: fc.constantFrom('read-write' as const, 'read-write' as const, 'read' as const),
    }),
    ({ device, region, page, off, byteLength, access }, world: VfioWorld) => {
      const position = region * REGION + page * 4096 + off
      const window = world.kernel.mapRegisters(descriptorOf(world, device), { byteLength, position, access })
      world.windows.add(window)
      return window.byteLength
    },
    2,
  ),
  closeRegisters: operation(
    fc.record({ window: fc.integer({ min: 0, max: 3 }) }),
    ({ window }, { windows }: VfioWorld) => {
      const open = windows.take(window)
      open?.close()
      return open !== undefined
    },
  ),
}

/** Milliseconds after which an interrupt has arrived, also where another processor handles it, as in the suites. */
const SETTLED = 10

function word(value: number): { bytes: Uint8Array } {
  return { bytes: new Uint8Array(new Uint32Array([value]).buffer) }
}

function sizeBar({ kernel }: VfioWorld, fd: number, bar: number): Outcome {
  const position = CONFIG_REGION * REGION + 0x10 + bar * 4
  const before = new Uint8Array(4)
  kernel.read(fd, before, position)
  kernel.write(fd, new Uint8Array(4).fill(0xff), position)
  const after = new Uint8Array(4)
  kernel.read(fd, after, position)
  kernel.write(fd, before, position)
  return describeBytes(after)
}
