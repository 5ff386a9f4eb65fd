import fc from 'fast-check'
import { ioctls, words } from '../../raw-vfio'
import { outcome } from '../../with-uio'
import { type Operation, type Outcome, operation } from '../family'
import { CLOSED_DESCRIPTOR } from '../handles'
import { describeBytes } from '../outcome'
import { argszOf } from './vfio-files'
import {
  descriptorOf,
  type FileWords,
  fileKinds,
  fileOf,
  isOther,
  request,
  structure,
  type VfioWorld,
} from './vfio-world'

type Operations = { readonly [name: string]: Operation<VfioWorld> }

const devices = fileOf('device')
const indexes = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 0, max: 9 }) },
  { weight: 1, arbitrary: fc.constantFrom(10, 255, 0x7fff_ffff, 0xffff_ffff) },
)

/** What an entry of SET_IRQS says: a descriptor, none, or one that is closed or of another kind. */
const triggers = fc.oneof(
  { weight: 12, arbitrary: fileOf('eventfd') },
  { weight: 2, arbitrary: fc.constantFrom(-1, -1, -2) },
)

const ENTRIES = 5

interface IrqSet {
  readonly device: FileWords
  readonly index: number
  readonly data: number
  readonly action: number
  readonly start: number
  readonly count: number
  /** Bytes that argsz is too small or too large. */
  readonly more: number
  readonly entries: readonly (FileWords | number)[]
  readonly bits: number
}

/** An interrupt that is turned on, off, masked, unmasked or raised as drivers do. */
const usualIrqSets: fc.Arbitrary<IrqSet> = fc
  .record({
    device: devices,
    index: fc.constantFrom(0, 1),
    how: fc.constantFrom<number[]>(
      [4, 32, 1],
      [4, 32, 1],
      [1, 32, 0],
      [1, 32, 1],
      [1, 8, 1],
      [2, 16, 1],
      [1, 16, 1],
    ),
    entry: fileOf('eventfd'),
  })
  .map(({ how: [data, action, count], entry, ...rest }) => {
    const entries = Array.from({ length: ENTRIES }, () => entry)
    return { ...rest, data: data!, action: action!, start: 0, count: count!, more: 0, entries, bits: 1 }
  })

const anyIrqSets: fc.Arbitrary<IrqSet> = fc.record({
  device: devices,
  index: fc.oneof({ weight: 12, arbitrary: fc.constantFrom(0, 1) }, { weight: 4, arbitrary: indexes }),
  data: fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(1, 2, 4, 4) },
    { weight: 1, arbitrary: fc.constantFrom(0, 3, 5, 6, 7) },
  ),
  action: fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(8, 16, 32, 32, 32) },
    { weight: 1, arbitrary: fc.constantFrom(0, 24, 48, 64, 0x8000_0020) },
  ),
  start: fc.oneof(
    { weight: 16, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constantFrom(1, 2, 0x7fff_ffff, 0xffff_ffff) },
  ),
  count: fc.oneof(
    { weight: 16, arbitrary: fc.constantFrom(0, 1, 1, 1) },
    { weight: 1, arbitrary: fc.constantFrom(2, ENTRIES, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff) },
  ),
  more: fc.oneof(
    { weight: 20, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constantFrom(-20, -4, -1, 1, 400) },
  ),
  entries: fc.array(triggers, { minLength: ENTRIES, maxLength: ENTRIES }),
  bits: fc.integer({ min: 0, max: 31 }),
})

/** What the device is, and which interrupts it is to tell of. */
export const vfioDevice: Operations = {
  deviceInfo: operation(
    fc.record({ device: devices, argsz: argszOf(20) }),
    ({ device, argsz }, world: VfioWorld) =>
      request(world, descriptorOf(world, device), 'DEVICE_GET_INFO', structure(argsz).bytes),
  ),
  regionInfo: operation(
    fc.record({ device: devices, argsz: argszOf(32), index: indexes }),
    ({ device, argsz, index }, world: VfioWorld) =>
      request(world, descriptorOf(world, device), 'DEVICE_GET_REGION_INFO', structure(argsz, 0, index).bytes),
    2,
  ),
  irqInfo: operation(
    fc.record({ device: devices, argsz: argszOf(16), index: indexes }),
    ({ device, argsz, index }, world: VfioWorld) =>
      request(world, descriptorOf(world, device), 'DEVICE_GET_IRQ_INFO', structure(argsz, 0, index).bytes),
  ),
  setIrqs: operation(
    fc.oneof(usualIrqSets, anyIrqSets),
    ({ device, index, data, action, start, count, more, entries, bits }, world: VfioWorld) => {
      const itemBytes = data === 2 ? 1 : data === 4 ? 4 : 0
      const argsz = 20 + Math.min(count, ENTRIES) * itemBytes + more
      const { bytes, view } = structure(argsz, data | action, index, start, count)
      entries.forEach((entry, place) => {
        if (data === 2) view.setUint8(20 + place, (bits >> place) & 1)
        else
          view.setInt32(20 + place * 4, typeof entry === 'number' ? entry : descriptorOf(world, entry), true)
      })
      const fd = descriptorOf(world, device)
      if (index === 0 && !lowersLine(world, device)) return 'left out'
      return world.kernel.ioctl(fd, ioctls.DEVICE_SET_IRQS, bytes, 'DEVICE_SET_IRQS')
    },
    10,
  ),
  reset: operation(fc.record({ device: devices }), ({ device }, world: VfioWorld) =>
    world.kernel.ioctl(descriptorOf(world, device), ioctls.DEVICE_RESET, 0, 'DEVICE_RESET'),
  ),
  /** Any request of any kind of file, with an argument of its own. */
  anyRequest: operation(
    fc.record({
      file: fc.record({ of: fc.constantFrom(...fileKinds), index: fc.integer({ min: 0, max: 3 }) }),
      request: fc.integer({ min: 0x3b64, max: 0x3b7a }),
      argsz: fc.constantFrom(0, 8, 16, 24, 32, 48),
      value: fc.constantFrom(-1, -1, 0, 1, 3, 99),
    }),
    ({ file, request, argsz, value }, world: VfioWorld) => anyRequest(world, file, request, argsz, value),
    2,
  ),
}

/**
 * Has edu's line down before INTx is turned on, where the descriptor is one of its. Hardware tells of a line that was up before;
 * QEMU's interrupt controller forgets it, since its pin was masked.
 */
function lowersLine(world: VfioWorld, device: FileWords): boolean {
  if (device.of !== 'device' || isOther(world, device)) return true
  const answer = outcome(() => world.kernel.write(descriptorOf(world, device), words(-1), 0x64))
  // Memory decoding is off: what the line is at cannot be changed.
  return answer !== 'EIO'
}

/** Requests that would start something which is not to be compared: none of these has a descriptor in its result. */
function anyRequest(
  world: VfioWorld,
  file: FileWords,
  request: number,
  argsz: number,
  value: number,
): Outcome {
  // The first word is a descriptor to one of them: none that the process itself may have.
  const { bytes } = structure(
    request === ioctls.GROUP_SET_CONTAINER ? CLOSED_DESCRIPTOR : argsz,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  )
  const argument = value < 0 ? bytes : value
  const result = world.kernel.ioctl(descriptorOf(world, file), request, argument)
  return { result, wrote: describeBytes(bytes) }
}
