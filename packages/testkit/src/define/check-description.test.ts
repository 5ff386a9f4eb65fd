import { expect, it } from 'vitest'
import { defineDevice } from './define-device'
import type { BarDescription, DeviceDescription, RegisterDescription } from './description'

function refusalOf(run: () => unknown): { code?: string; message?: string; hint?: string } {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('it went through')
}

const description = (bars: readonly BarDescription[]): DeviceDescription => ({
  name: 'bad',
  identity: { vendor: 1, device: 2 },
  bars,
})
const bar = (rest: Omit<BarDescription, 'byteLength'>) => description([{ byteLength: 64, ...rest }])
const one = (register: RegisterDescription) => bar({ registers: { r: register } })
const which = (rest: object): DeviceDescription => ({ ...description([{ byteLength: 64 }]), ...rest })
const word = { offset: 0, width: 32 } as const

const refused: [string, DeviceDescription, RegExp, RegExp?][] = [
  ['no BAR', description([]), /has no BAR/, /bars: \[/],
  ['an option that is misspelled', { ...description([]), registers: {} } as never, /no option 'registers'/],
  ['an option of a BAR', bar({ register: {} } as never), /no option 'register'/],
  ['an option of a register', one({ ...word, acess: 'ro' } as never), /no option 'acess'/, /access/],
  ['a width', one({ offset: 0, width: 24 as 32 }), /24 bits wide/, /8, 16, 32 or 64/],
  [
    'an offset that is not aligned',
    one({ offset: 6, width: 32 }),
    /0x6, which is no multiple of 4/,
    /0x4 and 0x8/,
  ],
  ['an offset that is none', one({ offset: -4, width: 32 }), /offset is -4/],
  ['an access', one({ ...word, access: 'w0c' as 'ro' }), /access is w0c/, /w1c/],
  ['a byte order', one({ ...word, endian: 'middle' as 'big' }), /endian is middle/],
  ['what does not fit', one({ offset: 64, width: 32 }), /r ends at 0x44, beyond the 0x40/, /longer/],
  ['an array that does not fit', one({ offset: 0, width: 32, count: 17 }), /r\[16\] ends at/],
  ['a stride that overlaps', one({ offset: 0, width: 64, count: 2, stride: 4 as 8 }), /stride is 0x4/],
  ['a stride of 0', one({ ...word, count: 2, stride: 0 }), /stride is 0/],
  ['a stride of one register', one({ ...word, stride: 8 }), /stride and no count/, /add count/],
  ['a count of 0', one({ ...word, count: 0 }), /count is 0/],
  ['a reset that does not fit', one({ offset: 0, width: 8, reset: 256 }), /reset is 256/, /2\^8/],
  ['a reset below 0', one({ ...word, reset: -1n }), /reset is -1/],
  ['an access wider than the register', one({ ...word, accepts: [64] }), /accesses of 64 bits/, /8, 16, 32$/],
  ['a register that nothing reaches', one({ ...word, accepts: [] }), /accepts no access/],
  ['a field outside', one({ ...word, fields: { f: 32 } }), /lowest bit of f is 32/],
  ['a field upside down', one({ ...word, fields: { f: [3, 1] } }), /highest bit of f is 1/],
  ['fields that overlap', one({ ...word, fields: { f: [0, 3], g: 3 } }), /bit 3 is in f and in g/],
  ['a field that is too wide', one({ offset: 0, width: 64, fields: { f: [0, 40] } }), /41 bits/],
  [
    'an access of a field',
    one({ ...word, fields: { f: { bits: 1, access: 'x' as 'ro' } } }),
    /access of f is x/,
  ],
  [
    'registers that overlap',
    bar({ registers: { a: { offset: 0, width: 64 }, b: { offset: 4, width: 32 } } }),
    /a \(0x0 to 0x7\) and b \(0x4 to 0x7\) overlap/,
    /fields/,
  ],
  [
    'an array over a register',
    bar({ registers: { a: { ...word, count: 4, stride: 8 }, b: { offset: 16, width: 8 } } }),
    /a\[2\].*and b.*overlap|b.*and a\[2\].*overlap/,
  ],
  [
    'memory over a register',
    bar({ registers: { a: word }, windows: { m: { offset: 0, byteLength: 8 } } }),
    /overlap/,
  ],
  ['memory that is not aligned', bar({ windows: { m: { offset: 4, byteLength: 8 } } }), /no multiple of 8/],
  ['empty memory', bar({ windows: { m: { offset: 0, byteLength: 0 } } }), /byteLength is 0/],
  [
    'a name in two BARs',
    description([
      { byteLength: 64, registers: { a: word } },
      { byteLength: 64, registers: { a: word } },
    ]),
    /BAR 1: 'a' is there twice/,
    /unique/,
  ],
  ['no identity', which({ identity: undefined }), /bad has no identity/, /vendor: 0x1234/],
  ['a vendor of 17 bits', which({ identity: { vendor: 0x10000, device: 2 } }), /bad: vendor is 65536/],
  ['a device id below 0', which({ identity: { vendor: 1, device: -2 } }), /bad: device is -2/],
  [
    'a class of 32 bits',
    which({ identity: { vendor: 1, device: 2, classCode: 0x2000000 } }),
    /bad: classCode is 33554432/,
  ],
  [
    'an id that is misspelled',
    which({ identity: { vendor: 1, device: 2, rev: 1 } }),
    /bad: identity has no option 'rev'/,
  ],
  ['MSI vectors', which({ interrupts: { msi: 3 } }), /bad has 3 MSI vectors/, /1, 2, 4, 8, 16, 32/],
  ['MSI-X vectors', which({ interrupts: { msix: { vectors: 0, bar: 0 } } }), /bad has 0 MSI-X vectors/],
  ['interrupts that are misspelled', which({ interrupts: { msis: 1 } }), /interrupts has no option 'msis'/],
  ['address bits', which({ dmaMaskBits: 65 }), /bad: dmaMaskBits is 65/],
  [
    'a BAR of an odd size',
    description([{ byteLength: 0x1800 }]),
    /bad, BAR 0 has 6144 bytes, which is no power of two/,
    /0x2000/,
  ],
  ['a BAR that is too small', description([{ byteLength: 8 }]), /bad, BAR 0: byteLength is 8/],
  ['a seventh BAR', description([{ byteLength: 64, index: 6 }]), /bad, BAR 6: index is 6/],
  [
    'a BAR where the upper half of another one is',
    description([{ byteLength: 64, addressWidth: 64 }, { byteLength: 64 }]),
    /bad: two BARs use index 1/,
    /takes the next index/,
  ],
]

it.each(refused)('refuses %s', (_what, given, message, hint = /./) => {
  const refusal = refusalOf(() => defineDevice(given))
  expect(refusal.code).toBe('DMA_INVALID_ARGUMENT')
  expect(refusal.message).toMatch(message)
  if (hint.source !== '.') expect(refusal.hint).toMatch(hint)
})

it('lets arrays interleave', () => {
  const ports = { width: 32, count: 4, stride: 16 } as const
  const device = defineDevice(
    bar({ registers: { base: { offset: 0, ...ports }, length: { offset: 4, ...ports } } }),
  )()
  expect(Object.keys(device.registers)).toEqual(['base', 'length'])
})

it('refuses a hook for what is no register', () => {
  const make = defineDevice(one(word), () => ({ onWrite: { s: () => {} } }) as never)
  const refusal = refusalOf(() => make())
  expect(refusal).toMatchObject({ code: 'DMA_INVALID_ARGUMENT', hint: 'use one of: r' })
})
