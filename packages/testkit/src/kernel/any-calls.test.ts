import { isDmaError, type MemoryMapping, type RegisterWindow } from '@linux-dma/native'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { openByHand, requests, struct } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'
import { EduDevice } from '../models/edu'

/** Numbers that matter to some request: sizes, flags, indexes, descriptors, and their neighbours. */
const word = fc.oneof(
  fc.nat(12),
  fc.constantFrom(16, 20, 24, 32, 48, 64, 120, 0x21, 0x22, 0x24, 0x11, 0x12, 0x1000, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
)
const wide = fc.oneof(
  fc.constantFrom(0n, 0x1000n, 0x2000n, 0x3000n, 0xfee0_0000n, 1n << 39n, 1n << 62n, (1n << 64n) - 0x1000n),
  fc.constantFrom(0x7f00_0000_0000n, 0x7f00_0000_1000n, 0x7f00_0000_5000n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
)
const request = fc.oneof(fc.constantFrom(...Object.values(requests), 0x40187542, 0x40086200), word)
const argument = fc.oneof(
  word,
  fc.tuple(word, word, wide, wide, wide).map((parts) => struct(...parts)),
  fc.tuple(word, word, wide, wide, wide, wide).map((parts) => struct(...parts)),
  fc.array(word, { minLength: 1, maxLength: 10 }).map((parts) => struct(...parts)),
  fc.constant(new TextEncoder().encode('0000:00:04.0\0')),
  fc.uint8Array({ maxLength: 64 }),
)
const page = fc.constantFrom(0x1000n, 0x2000n, 0x4000n, 0n)
const address = fc.constantFrom(0x7f00_0000_0000n, 0x7f00_0000_1000n, 0x7f00_0000_6000n, 0x1000n)
const flags = fc.nat(7)
/** Requests with arguments that may well be right, to the descriptors that `openByHand` opens. */
const likely = fc
  .oneof(
    fc.tuple(
      fc.constant(3),
      fc.constant(0x3b71),
      fc.tuple(flags, address, page, page).map((map) => struct(32, ...map)),
    ),
    fc.tuple(
      fc.constant(3),
      fc.constant(0x3b72),
      fc.tuple(flags, page, page).map((unmap) => struct(24, ...unmap)),
    ),
    fc.tuple(
      fc.constant(3),
      fc.constant(0x3b75),
      flags.map((flag) => struct(8, flag)),
    ),
    fc.tuple(
      fc.constant(4),
      fc.constantFrom(0x3b67, 0x3b68, 0x3b69),
      fc.nat(9).map((fd) => struct(8, fd)),
    ),
    fc.tuple(
      fc.constant(5),
      fc.constantFrom(0x3b6c, 0x3b6d),
      fc.nat(9).map((index) => struct(32, 0, index, 0, 0n, 0n)),
    ),
    fc.tuple(
      fc.constant(5),
      fc.constant(0x3b6e),
      fc
        .tuple(
          fc.constantFrom(0x21, 0x24, 0x11, 0x09, 0x14),
          fc.nat(4),
          fc.constant(0),
          fc.nat(1),
          fc.nat(12),
        )
        .map((set) => struct(24, ...set)),
    ),
  )
  .map(([fd, number, value]) => ({ call: 'ioctl' as const, fd, request: number, argument: value }))
const step = fc.oneof(
  { weight: 6, arbitrary: likely },
  fc.record({ call: fc.constant('ioctl' as const), fd: fc.integer({ min: 2, max: 12 }), request, argument }),
  fc.record({ call: fc.constant('ioctl' as const), fd: fc.integer({ min: 3, max: 5 }), request, argument }),
  fc.record({
    call: fc.constantFrom(
      'open group',
      'open container',
      'eventfd',
      'memfd',
      'socketPair',
      'mmap',
      'registers',
      'unmap',
      'read',
      'write',
      'advance',
    ),
    fd: fc.integer({ min: 2, max: 12 }),
    request: fc.nat(3),
    argument: fc.constant(0),
  }),
  // Rarely the descriptors that everything else goes through.
  fc.record({
    call: fc.constant('close'),
    fd: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 6, max: 12 }) },
      { weight: 1, arbitrary: fc.nat(5) },
    ),
    request: fc.constant(0),
    argument: fc.constant(0),
  }),
)

/** As many bytes as the request's number says: fewer would be refused before the kernel saw them. */
function longEnough(request: number, argument: Uint8Array | number | undefined) {
  const size = request >>> 30 === 0 ? 0 : (request >>> 16) & 0x3fff
  if (!(argument instanceof Uint8Array) || argument.length >= size) return argument
  const longer = new Uint8Array(size)
  longer.set(argument)
  return longer
}

it('fail as documented or succeed, whatever is called with whatever, and leave nothing when all is closed', () => {
  let succeeded = 0 // ioctls
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(step, { minLength: 60, maxLength: 120, size: 'max' }),
      (prepared, steps) => {
        const machine = createFakeMachine({ openFileLimit: 12, memlockLimit: 65536, uid: 1000 })
        machine.addDevice(new EduDevice())
        machine.chown('/dev/vfio/1', 1000)
        const { kernel } = machine
        if (prepared) openByHand(machine, '0000:00:04.0')
        const mappings: (MemoryMapping | RegisterWindow)[] = []
        const bytes = new Uint8Array(8).fill(1)
        const calls: Record<string, (fd: number, number: number) => unknown> = {
          'open group': () => kernel.open('/dev/vfio/1', 2),
          'open container': () => kernel.open('/dev/vfio/vfio', 2),
          eventfd: () => kernel.eventfd(1),
          memfd: () => kernel.memfd('any', { byteLength: 0x4000 }),
          socketPair: () => kernel.socketPair(),
          close: (fd) => kernel.close(fd),
          mmap: (fd, number) => mappings.push(kernel.mmap(fd, { byteLength: 0x1000 * (number + 1) })),
          registers: (fd) => mappings.push(kernel.mapRegisters(fd, { byteLength: 0x1000 })),
          unmap: () => mappings.pop()?.close(),
          read: (fd, number) => kernel.read(fd, bytes, number ? number * 8 : undefined),
          write: (fd, number) => kernel.write(fd, bytes, number ? 7 * 2 ** 40 + 4 : undefined),
          advance: (_fd, number) => machine.clock.advance(number * 50),
        }
        for (const { call, fd, request: number, argument: value } of steps) {
          try {
            if (call === 'ioctl') {
              kernel.ioctl(fd, number, longEnough(number, value))
              succeeded++
            } else calls[call]!(fd, number)
          } catch (error) {
            if (!isDmaError(error) || !(error.errno! < 0)) throw error
          }
        }
        for (const mapping of mappings) mapping.close()
        for (let fd = 3; fd < 12; fd++) {
          try {
            kernel.close(fd)
          } catch (error) {
            if (!isDmaError(error, 'EBADF')) throw error
          }
        }
        machine.assertQuiescent()
        expect(kernel.live()).toEqual({ descriptors: 0, mappings: 0, mappedBytes: 0, watches: 0 })
        expect(kernel.readText('/proc/self/status')).toContain('VmLck:\t       0 kB')
      },
    ),
    { numRuns: 400 },
  )
  expect(succeeded).toBeGreaterThan(1500)
})
