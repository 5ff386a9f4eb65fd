import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, POLLIN } from '@linux-dma/native'
import { PCI_DEVICES } from '@linux-dma/pci'
import fc from 'fast-check'
import { type Family, type Operation, operation } from '../family'
import { CLOSED_DESCRIPTOR } from '../handles'
import { describeBytes } from '../outcome'
import { closeUioWorld, DRIVER, nodeOf, quieten, type UioWorld, uioWorld } from './uio-world'

type Operations = { readonly [name: string]: Operation<UioWorld> }

/** Milliseconds after which an interrupt has come to the driver's thread, on one processor. */
const SETTLED = 1
const index = fc.integer({ min: 0, max: 3 })
/** A file by index: any that the program has had; or one of those that are open. */
type FileWords = number | { readonly open: number }
const file: fc.Arbitrary<FileWords> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ open: index }) },
  { weight: 1, arbitrary: index },
)
const lengths = fc.oneof({ weight: 8, arbitrary: fc.constant(4) }, { weight: 3, arbitrary: fc.nat(9) })
const positions = fc.oneof(
  { weight: 2, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 4096) },
)
/** What can be read of the device's class, where nothing is chance: not its address, nor its numbers. */
const attributes = [
  'name',
  'version',
  'event',
  'maps/map0/name',
  'maps/map0/size',
  'maps/map0/offset',
  'maps/map1/size',
  'portio/port0/name',
] as const
/** Memory decoding stays on: an access to registers that do not decode ends the process. */
const commands = [0x102, 0x103, 0x106, 0x107, 0x502, 0x506] as const
/** Registers that start nothing, and are no more than 32 bits wide. */
const registers = fc.constantFrom(0x00, 0x04, 0x20, 0x24, 0x60, 0x64, 0x80, 0x88, 0x90, 0x9c)
const value = fc.oneof(fc.constantFrom(0, 1, 0x80, 0xffff_ffff), fc.integer({ min: 0, max: 0xffff_ffff }))

const at = ({ files }: UioWorld, words: FileWords) =>
  (typeof words === 'number' ? files.at(words) : files.fitting(words.open, () => true)) ?? CLOSED_DESCRIPTOR

/** What programs do with the node. */
const nodeOperations: Operations = {
  open: operation(
    fc.record({ access: fc.constantFrom(O_RDWR, O_RDWR, O_RDONLY, O_WRONLY) }),
    ({ access }, world: UioWorld) => world.files.add(world.kernel.open(nodeOf(world), access | O_NONBLOCK)),
    3,
  ),
  duplicate: operation(fc.record({ file }), ({ file }, world: UioWorld) =>
    world.files.add(world.kernel.duplicate(at(world, file))),
  ),
  close: operation(
    fc.record({ file: index }),
    ({ file }, { kernel, files }: UioWorld) => kernel.close(files.take(file) ?? CLOSED_DESCRIPTOR),
    2,
  ),
  read: operation(
    fc.record({ file, byteLength: lengths, position: positions }),
    async ({ file, byteLength, position }, world: UioWorld) => {
      await world.kernel.clock.sleep(SETTLED)
      const bytes = new Uint8Array(byteLength)
      return [world.kernel.read(at(world, file), bytes, position), describeBytes(bytes)]
    },
    5,
  ),
  write: operation(
    fc.record({ file, byteLength: lengths, on: fc.constantFrom(0, 1, 255), position: positions }),
    ({ file, byteLength, on, position }, world: UioWorld) =>
      world.kernel.write(at(world, file), new Uint8Array(byteLength).fill(on, 0, 1), position),
    0.5,
  ),
  ioctl: operation(
    fc.record({ file, request: fc.constantFrom(0, 0x5401, 0x3b64, 0xffff_ffff) }),
    ({ file, request }, world: UioWorld) => world.kernel.ioctl(at(world, file), request),
    0.25,
  ),
  poll: operation(fc.record({ file }), ({ file }, world: UioWorld) => pollNow(world, file), 2),
  map: operation(
    fc.record({
      file,
      map: fc.oneof(
        { weight: 6, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.constantFrom(1, 5, 256) },
      ),
      byteLength: fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom(1, 4096, 4097, 0x10_0000) },
        { weight: 1, arbitrary: fc.constant(0x10_0001) },
      ),
      access: fc.constantFrom('read-write' as const, 'read' as const),
    }),
    ({ file, map, byteLength, access }, world: UioWorld) => {
      const window = world.kernel.mapRegisters(at(world, file), { byteLength, position: map * 4096, access })
      world.windows.add(window)
      return window.byteLength
    },
    3,
  ),
  unmap: operation(fc.record({ window: index }), ({ window }, { windows }: UioWorld) => {
    const open = windows.take(window)
    open?.close()
    return open !== undefined
  }),
}

/** What the device does and shows. */
const deviceOperations: Operations = {
  readRegister: operation(
    fc.record({ window: index, at: registers, width: fc.constantFrom(32, 32, 64, 16, 8) }),
    ({ window, at, width }, { windows }: UioWorld) => {
      const open = windows.at(window)
      // What lies beyond a window is refused by whoever made it, before the kernel is asked.
      if (open && at + 8 > open.byteLength) return 'left out'
      // A register at a multiple of its own width.
      const place = at - (at % (width / 8))
      if (!open) return 'none'
      if (width === 64) return open.read64(place)
      return width === 32 ? open.read32(place) : width === 16 ? open.read16(place) : open.read8(place)
    },
    3,
  ),
  writeRegister: operation(
    fc.record({ at: registers, value }),
    async ({ at, value }, { kernel, registers }: UioWorld) => {
      registers.write32(at, value)
      await kernel.clock.sleep(SETTLED)
      return registers.read32(0x24)
    },
    3,
  ),
  raise: operation(
    fc.record({ acknowledge: fc.boolean() }),
    async ({ acknowledge }, { kernel, registers }: UioWorld) => {
      registers.write32(0x60, 1)
      await kernel.clock.sleep(SETTLED)
      if (acknowledge) registers.write32(0x64, 0xffff_ffff)
      return registers.read32(0x24)
    },
    4,
  ),
  command: operation(
    fc.record({ value: fc.constantFrom(...commands) }),
    async ({ value }, { kernel, config }: UioWorld) => {
      const written = kernel.write(config, Uint8Array.of(value & 0xff, value >> 8), 4)
      await kernel.clock.sleep(SETTLED)
      return written
    },
    4,
  ),
  readConfig: operation(
    fc.record({
      from: fc.oneof(fc.constant(4), fc.nat(260)),
      byteLength: fc.oneof(fc.constant(4), fc.nat(64)),
    }),
    ({ from, byteLength }, { kernel, config }: UioWorld) => {
      const bytes = new Uint8Array(byteLength)
      const count = kernel.read(config, bytes, from)
      // Addresses of BARs and the line that the firmware chose are chance.
      for (const [start, end] of [
        [0x10, 0x28],
        [0x3c, 0x3d],
      ] as const) {
        bytes.fill(0, Math.max(0, start - from), Math.max(0, end - from))
      }
      return [count, describeBytes(bytes)]
    },
    3,
  ),
  attribute: operation(
    fc.record({
      name: fc.constantFrom(...attributes),
      text: fc.oneof(
        { weight: 7, arbitrary: fc.constant(null) },
        { weight: 1, arbitrary: fc.constantFrom('1', '') },
      ),
    }),
    ({ name, text }, { kernel, address }: UioWorld) => {
      const folder = `${PCI_DEVICES}/${address}/uio`
      const path = `${folder}/${kernel.list(folder)[0]}/${name}`
      if (text === null) return kernel.readText(path)
      kernel.writeText(path, text)
      return 'written'
    },
    3,
  ),
  /** The device is taken from its driver, and given back, whoever has it open. */
  unbind: operation(
    fc.record({}),
    (_, world: UioWorld) => {
      quieten(world)
      world.kernel.writeText(`/sys/bus/pci/drivers/${DRIVER}/unbind`, world.address)
      return 'unbound'
    },
    0.25,
  ),
  bind: operation(fc.record({}), (_, world: UioWorld) => {
    // A line that is up already is told of by hardware, and forgotten by QEMU's IOAPIC.
    quieten(world)
    const folder = `${PCI_DEVICES}/${world.address}`
    world.kernel.writeText(`${folder}/driver_override`, DRIVER)
    try {
      world.kernel.writeText(`/sys/bus/pci/drivers/${DRIVER}/bind`, world.address)
    } finally {
      world.kernel.writeText(`${folder}/driver_override`, '\n')
    }
    return 'bound'
  }),
}

async function pollNow(world: UioWorld, file: FileWords): Promise<number | string> {
  const { kernel } = world
  const controller = new AbortController()
  const polled = kernel.poll(at(world, file), POLLIN, { signal: controller.signal }).catch((error: Error) => {
    if (error.name === 'AbortError') return 'nothing came'
    throw error
  })
  await kernel.clock.sleep(SETTLED)
  controller.abort()
  return polled
}

/** edu under uio_pci_generic, without an IOMMU: its node, its interrupts, what sysfs says, and its driver come and gone. */
export const uio: Family<UioWorld> = {
  name: 'uio',
  machineKind: 'no-iommu',
  longest: 200,
  setUp: uioWorld,
  tearDown: closeUioWorld,
  operations: { ...nodeOperations, ...deviceOperations },
  refused: {
    write: 'uio_pci_generic has no irqcontrol: interrupts are turned on in configuration space',
    ioctl: 'UIO has none',
  },
}
