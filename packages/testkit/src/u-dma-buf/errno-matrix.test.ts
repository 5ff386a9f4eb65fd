import { O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLOUT } from '@linux-dma/native'
import { afterAll, describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'

/*
 * Each row is a line of a recording of the driver, version 5.5.0, on a live Linux 6.12: in its order and with its answer. What
 * cannot be asked through `Kernel`, which has neither private mappings nor lseek, is left out; and one line is another: the driver
 * takes a range that wraps around to be exported, and gives out memory that is not the buffer's.
 */
const page = 4096
const MiB = 0x100000
const O_SYNC = 0o4010000
const O_CLOEXEC = 0o2000000

const machine = createFakeMachine()
const { dmaAddress } = machine.addUDmaBuf({ size: MiB, dmaMaskBits: 28 })
machine.addUDmaBuf({ size: 5000 })
const { kernel } = machine
const folder = '/sys/class/u-dma-buf/udmabuf0'
const fd = kernel.open('/dev/udmabuf0', O_RDWR)
const readOnly = kernel.open('/dev/udmabuf0', O_RDONLY)
const writeOnly = kernel.open('/dev/udmabuf0', O_WRONLY)
const synchronous = kernel.open('/dev/udmabuf0', O_RDWR | O_SYNC)
const odd = kernel.open('/dev/udmabuf1', O_RDWR)

type Row = [line: string, run: () => unknown, expected: string]

function table(title: string, rows: Row[]): void {
  describe(title, () => {
    for (const [line, run, expected] of rows) {
      it(line, () => {
        expect(outcome(run)).toBe(expected)
      })
    }
  })
}

const text = (name: string) => kernel.readText(`${folder}/${name}`).replace(/\n$/, '')
const store = (name: string, value: string) => () => kernel.writeText(`${folder}/${name}`, value)
const mode = (name: string) => machine.stat(`${folder}/${name}`).mode.toString(8)
const map =
  (from: number, byteLength: number, position = 0, access: 'read' | 'read-write' = 'read-write') =>
  () =>
    kernel.mmap(from, { byteLength, position, access }).close()

function words(...values: (number | bigint)[]): Uint8Array {
  return new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer)
}
const hex = (bytes: Uint8Array) =>
  [...new BigUint64Array(bytes.slice().buffer)].map((word) => word.toString(16)).join(' ')
const ask = (request: number, byteLength: number, from = fd) => {
  const bytes = new Uint8Array(byteLength)
  kernel.ioctl(from, request, bytes)
  return bytes
}
const state = () => {
  const [flags, size, offset] = new BigUint64Array(ask(0x80185508, 24).buffer)
  return `flags=${flags!.toString(16)} size=${size} offset=${offset} owner=${ask(0x80045504, 4)[0]}`
}
const sync =
  (flags: number | bigint, size: number | bigint, offset: number | bigint, from = fd) =>
  () => {
    const code = outcome(() => kernel.ioctl(from, 0x40185509, words(flags, size, offset)))
    return `${code} ${state()}`
  }
const word = (request: number, value: number | bigint) => () => {
  const code = outcome(() => kernel.ioctl(fd, request, words(value)))
  return `${code} ${state()}`
}
const exported = (flags: number | bigint, size: number | bigint, offset: number | bigint, from = fd) => {
  const bytes = words(flags, size, offset, 0xabc, 77)
  kernel.ioctl(from, 0xc028550a, bytes)
  const view = new DataView(bytes.buffer)
  return { fd: view.getInt32(32, true), address: Number(view.getBigUint64(24, true)) }
}
const exportAt =
  (flags: number | bigint, size: number | bigint, offset: number | bigint, from = fd) =>
  () => {
    const made = exported(flags, size, offset, from)
    kernel.close(made.fd)
    return `+${made.address - dmaAddress}`
  }

table('sysfs', [
  ['debug_export', () => `${mode('debug_export')} ${text('debug_export')}`, 'OK(664 0)'],
  ['debug_vma', () => `${mode('debug_vma')} ${text('debug_vma')}`, 'OK(664 0)'],
  ['dev', () => `${mode('dev')} ${text('dev')}`, 'OK(444 244:0)'],
  ['device', () => kernel.readLink(`${folder}/device`), 'OK(../../../u-dma-buf.0)'],
  ['subsystem', () => kernel.readLink(`${folder}/subsystem`), 'OK(../../../../../class/u-dma-buf)'],
  ['class', () => kernel.readLink(folder), 'OK(../../devices/platform/u-dma-buf.0/u-dma-buf/udmabuf0)'],
  ['dma_coherent', () => `${mode('dma_coherent')} ${text('dma_coherent')}`, 'OK(444 1)'],
  ['driver_version', () => `${mode('driver_version')} ${text('driver_version')}`, 'OK(444 5.5.0)'],
  ['ioctl_version', () => `${mode('ioctl_version')} ${text('ioctl_version')}`, 'OK(444 2)'],
  ['phys_addr', () => `${mode('phys_addr')} ${Number(text('phys_addr')) === dmaAddress}`, 'OK(444 true)'],
  ['phys_addr, its length', () => text('phys_addr').length, 'OK(18)'],
  ['quirk_mmap_mode', () => `${mode('quirk_mmap_mode')} ${text('quirk_mmap_mode')}`, 'OK(444 3)'],
  ['size', () => `${mode('size')} ${text('size')}`, 'OK(444 1048576)'],
  ['sync_direction', () => `${mode('sync_direction')} ${text('sync_direction')}`, 'OK(664 0)'],
  ['sync_for_cpu', () => `${mode('sync_for_cpu')} ${text('sync_for_cpu')}`, 'OK(664 0)'],
  ['sync_for_device', () => `${mode('sync_for_device')} ${text('sync_for_device')}`, 'OK(664 0)'],
  ['sync_mode', () => `${mode('sync_mode')} ${text('sync_mode')}`, 'OK(664 1)'],
  ['sync_offset', () => `${mode('sync_offset')} ${text('sync_offset')}`, 'OK(664 0x0)'],
  ['sync_owner', () => `${mode('sync_owner')} ${text('sync_owner')}`, 'OK(444 0)'],
  ['sync_size', () => `${mode('sync_size')} ${text('sync_size')}`, 'OK(664 1048576)'],
  ['uevent', () => `${mode('uevent')} ${text('uevent')}`, 'OK(644 MAJOR=244\nMINOR=0\nDEVNAME=udmabuf0)'],
  ['node', () => machine.stat('/dev/udmabuf0').mode.toString(8), 'OK(600)'],
])

table('mmap', [
  ['all', map(fd, MiB), 'OK(0)'],
  ['all + 1 page', map(fd, MiB + page), 'EINVAL'],
  ['last page', map(fd, page, MiB - page), 'OK(0)'],
  ['behind the end', map(fd, page, MiB), 'EINVAL'],
  ['1 byte', map(fd, 1), 'OK(0)'],
  ['far offset', map(fd, page, 2 ** 40), 'EINVAL'],
  ['O_RDONLY rw', map(readOnly, page), 'EACCES'],
  ['O_RDONLY r', map(readOnly, page, 0, 'read'), 'OK(0)'],
  ['O_WRONLY rw', map(writeOnly, page), 'EACCES'],
  ['O_SYNC all', map(synchronous, MiB), 'OK(0)'],
  ['of 5000 bytes, two pages', map(odd, 2 * page), 'OK(0)'],
  ['of 5000 bytes, three', map(odd, 3 * page), 'EINVAL'],
])

table('read and write', [
  ['pread 8 at the end - 4', () => kernel.read(fd, new Uint8Array(8), MiB - 4), 'OK(4)'],
  ['pwrite 8 at the end - 4', () => kernel.write(fd, new Uint8Array(8), MiB - 4), 'OK(4)'],
  ['pread at the end', () => kernel.read(fd, new Uint8Array(8), MiB), 'OK(0)'],
  ['pread beyond', () => kernel.read(fd, new Uint8Array(8), MiB + 5), 'OK(0)'],
  ['pwrite beyond', () => kernel.write(fd, new Uint8Array(8), MiB + 5), 'OK(0)'],
  ['write O_RDONLY', () => kernel.write(readOnly, new Uint8Array(1)), 'EBADF'],
  ['read O_WRONLY', () => kernel.read(writeOnly, new Uint8Array(1)), 'EBADF'],
  ['of 5000 bytes, pread 16 at 4999', () => kernel.read(odd, new Uint8Array(16), 4999), 'OK(1)'],
])

const requests = [
  0x80185501, 0x80085502, 0x80085503, 0x80045504, 0x40085505, 0x40085506, 0x80185507, 0x80185508, 0x40185509,
  0xc028550a,
]

table('get', [
  ['GET_DRV_INFO', () => hex(ask(0x80185501, 24)), 'OK(30102 302e352e35 0)'],
  ['GET_SIZE', () => hex(ask(0x80085502, 8)), 'OK(100000)'],
  ['GET_DMA_ADDR', () => hex(ask(0x80085503, 8)), `OK(${dmaAddress.toString(16)})`],
  ['GET_DEV_INFO', () => hex(ask(0x80185507, 24)), `OK(e1c 100000 ${dmaAddress.toString(16)})`],
  ...requests.map(
    (request): Row => [`NULL for ${request.toString(16)}`, () => kernel.ioctl(fd, request, 0), 'EFAULT'],
  ),
  ...requests.map(
    (request): Row => [
      `O_RDONLY, NULL for ${request.toString(16)}`,
      () => kernel.ioctl(readOnly, request, 0),
      'EFAULT',
    ],
  ),
  ['unknown nr', () => ask(0x8008550b, 8), 'ENOTTY'],
  ['wrong size', () => ask(0x80105501, 24), 'ENOTTY'],
  ['wrong direction', () => ask(0x40085502, 8), 'ENOTTY'],
  ['wrong magic', () => ask(0x80085602, 8), 'ENOTTY'],
  ['nr 0', () => ask(0x5500, 8), 'ENOTTY'],
  ['UDMABUF_CREATE', () => ask(0x40187542, 24), 'ENOTTY'],
  ['DMA_BUF_IOCTL_SYNC', () => ask(0x40086200, 8), 'ENOTTY'],
])

table('SET_SYNC', [
  ['as it is', state, 'OK(flags=100 size=1048576 offset=0 owner=0)'],
  ['no command, dir 1', sync(4, 4096, 8192), 'OK(OK(0) flags=104 size=4096 offset=8192 owner=0)'],
  ['for cpu dir 2', sync(1 | 8, 4096, 0), 'OK(OK(0) flags=108 size=4096 offset=0 owner=0)'],
  ['for device dir 1', sync(3 | 4, 4096, 4096), 'OK(OK(0) flags=10104 size=4096 offset=4096 owner=1)'],
  ['for cpu dir 3 (kept)', sync(1 | 12, 16, 16), 'OK(OK(0) flags=104 size=16 offset=16 owner=0)'],
  ['for cpu dir 0', sync(1, 1, 0xfffff), 'OK(OK(0) flags=100 size=1 offset=1048575 owner=0)'],
  ['for device size 0 = last', sync(3, 0, 0), 'OK(OK(0) flags=10100 size=1 offset=0 owner=1)'],
  ['for device 1 beyond', sync(3, 2, 0xfffff), 'OK(EINVAL flags=10100 size=2 offset=1048575 owner=1)'],
  ['for device again', sync(3, 2, 0), 'OK(OK(0) flags=10100 size=2 offset=0 owner=1)'],
  ['offset = size, size 0', sync(1, 0, MiB), 'OK(EINVAL flags=10100 size=2 offset=1048576 owner=1)'],
  ['offset huge', sync(1, 16, 2n ** 40n), 'OK(EINVAL flags=10100 size=16 offset=1099511627776 owner=1)'],
  ['wraps', sync(1, 32, 2n ** 64n - 16n), 'OK(OK(0) flags=100 size=32 offset=18446744073709551600 owner=0)'],
  [
    'size huge',
    sync(1, 2n ** 64n - 1n, 0),
    'OK(EINVAL flags=100 size=18446744073709551615 offset=0 owner=0)',
  ],
  [
    'size wraps',
    sync(1, 2n ** 64n - 1n, 1),
    'OK(OK(0) flags=100 size=18446744073709551615 offset=1 owner=0)',
  ],
  ['command 2', sync(2, 4096, 0), 'OK(OK(0) flags=100 size=4096 offset=0 owner=0)'],
  ['mode 2', sync(2 << 8, 4096, 0), 'OK(OK(0) flags=200 size=4096 offset=0 owner=0)'],
  ['sync_mode', () => text('sync_mode'), 'OK(2)'],
  ['mode 0x17', sync(0x17 << 8, 0, 0), 'OK(OK(0) flags=1700 size=4096 offset=0 owner=0)'],
  ['sync_mode', () => text('sync_mode'), 'OK(23)'],
  ['owner bit', sync(1 << 16, 0, 0), 'OK(OK(0) flags=1700 size=4096 offset=0 owner=0)'],
  [
    'unknown bits',
    sync(2n ** 64n - 1n - 0xff0fn, 4096, 0),
    'OK(OK(0) flags=1700 size=4096 offset=0 owner=0)',
  ],
  ['mode 1', sync(1 << 8, MiB, 0), 'OK(OK(0) flags=100 size=1048576 offset=0 owner=0)'],
  ['O_RDONLY', sync(3, 4096, 0, readOnly), 'OK(OK(0) flags=10100 size=4096 offset=0 owner=1)'],
  ['of 5000 bytes, 5000', () => kernel.ioctl(odd, 0x40185509, words(1, 5000, 0)), 'OK(0)'],
  ['of 5000 bytes, 5001', () => kernel.ioctl(odd, 0x40185509, words(1, 5001, 0)), 'EINVAL'],
])

const [FOR_CPU, FOR_DEVICE] = [0x40085505, 0x40085506]
table('SET_SYNC_FOR_CPU and SET_SYNC_FOR_DEVICE', [
  ['cpu 1', word(FOR_CPU, 1), 'OK(OK(0) flags=100 size=4096 offset=0 owner=0)'],
  ['device 1', word(FOR_DEVICE, 1), 'OK(OK(0) flags=10100 size=4096 offset=0 owner=1)'],
  ['cpu 0', word(FOR_CPU, 0), 'OK(OK(0) flags=10100 size=4096 offset=0 owner=1)'],
  ['cpu packed', word(FOR_CPU, 0x100000001005n), 'OK(OK(0) flags=100 size=4096 offset=0 owner=0)'],
  ['device beyond', word(FOR_DEVICE, 0xfffff00000000021n), 'OK(EINVAL flags=100 size=4096 offset=0 owner=0)'],
  ['sync_for_device', () => text('sync_for_device'), 'OK(18446726481523507233)'],
  ['device 2', word(FOR_DEVICE, 2), 'OK(OK(0) flags=10100 size=4096 offset=0 owner=1)'],
  ['device 0', word(FOR_DEVICE, 0), 'OK(OK(0) flags=10100 size=4096 offset=0 owner=1)'],
  ['cpu size 8', word(FOR_CPU, 0x100000009n), 'OK(OK(0) flags=100 size=4096 offset=0 owner=0)'],
])

table('stores', [
  ['sync_offset 0x1000', store('sync_offset', '0x1000'), 'OK(0)'],
  ['sync_size 4096', store('sync_size', '4096'), 'OK(0)'],
  ['sync_direction 2', store('sync_direction', '2'), 'OK(0)'],
  ['sync_direction 3', store('sync_direction', '3'), 'EINVAL'],
  ['sync_mode 8', store('sync_mode', '8'), 'EINVAL'],
  ['sync_mode -1', store('sync_mode', '-1'), 'EINVAL'],
  ['sync_mode abc', store('sync_mode', 'abc'), 'EINVAL'],
  ['sync_offset 2^64 - 1', store('sync_offset', '0xffffffffffffffff'), 'OK(0)'],
  ['sync_for_cpu 1, which wraps', store('sync_for_cpu', '1'), 'OK(0)'],
  ['sync_for_cpu', () => text('sync_for_cpu'), 'OK(0)'],
  ['sync_offset 0', store('sync_offset', '0'), 'OK(0)'],
  ['sync_for_cpu 1 and a newline', store('sync_for_cpu', '1\n'), 'OK(0)'],
  ['sync_owner', () => text('sync_owner'), 'OK(0)'],
  ['sync_for_device 1', store('sync_for_device', '1'), 'OK(0)'],
  ['sync_owner', () => text('sync_owner'), 'OK(1)'],
  ['sync_for_device packed', store('sync_for_device', '0x0000000000001005'), 'OK(0)'],
  ['sync_for_cpu beyond', store('sync_for_cpu', '0x1000000001000001'), 'EINVAL'],
  ['sync_for_cpu', () => text('sync_for_cpu'), 'OK(1152921504623624193)'],
  ['sync_for_cpu 0', store('sync_for_cpu', '0'), 'OK(0)'],
  ['size', store('size', '1'), 'EACCES'],
  ['phys_addr', store('phys_addr', '1'), 'EACCES'],
  ['sync_owner', store('sync_owner', '1'), 'EACCES'],
  ['debug_vma 4', store('debug_vma', '4'), 'EINVAL'],
  ['debug_export 2', store('debug_export', '2'), 'EINVAL'],
  ['sync_size beyond', store('sync_size', '99999999'), 'OK(0)'],
  ['sync_for_cpu 1', store('sync_for_cpu', '1'), 'EINVAL'],
  ['sync_for_cpu', () => text('sync_for_cpu'), 'OK(1)'],
  ['sync_size', () => text('sync_size'), 'OK(99999999)'],
])

table('EXPORT', [
  ['no flags', exportAt(0, page, 0), 'OK(+0)'],
  ['RDWR|CLOEXEC', exportAt(O_RDWR | O_CLOEXEC, page, page), 'OK(+4096)'],
  ['offset unaligned', exportAt(2, page, 1), 'EINVAL'],
  ['size unaligned', exportAt(2, 100, 0), 'EINVAL'],
  ['size 0', exportAt(2, 0, 0), 'OK(+0)'],
  ['beyond', exportAt(2, 2 * page, MiB - page), 'EINVAL'],
  ['offset at end', exportAt(2, page, MiB), 'EINVAL'],
  ['offset at end, size 0', exportAt(2, 0, MiB), 'OK(+1048576)'],
  ['wraps, which the driver takes', exportAt(2, 2 * page, 2n ** 64n - 4096n), 'EINVAL'],
  ['O_NONBLOCK', exportAt(2 | 0o4000, page, 0), 'EINVAL'],
  ['O_DIRECT', exportAt(2 | 0o40000, page, 0), 'EINVAL'],
  ['O_ACCMODE 3', exportAt(3, page, 0), 'OK(+0)'],
  ['O_WRONLY', exportAt(1, page, 0), 'OK(+0)'],
  ['O_SYNC', exportAt(2 | O_SYNC, page, 0), 'OK(+0)'],
  ['O_DSYNC alone', exportAt(2 | 0o10000, page, 0), 'OK(+0)'],
  ['high flag bits', exportAt((2n ** 40n) | 2n, page, 0), 'OK(+0)'],
  ['by an O_RDONLY descriptor', exportAt(2, page, 0, readOnly), 'OK(+0)'],
  ['of 5000 bytes, 8192', exportAt(2, 2 * page, 0, odd), 'EINVAL'],
])

const one = exported(O_RDWR | O_CLOEXEC, 2 * page, page).fd
const forReading = exported(O_RDONLY | O_CLOEXEC, page, 0).fd
const bracket =
  (flags: number, request = 0x40086200) =>
  () =>
    kernel.ioctl(one, request, words(flags))
const info = () =>
  kernel
    .readText(`/proc/self/fdinfo/${one}`)
    .split('\n')
    .filter((line) => /^(flags|size|count|exp_name|name)/.test(line))
    .map((line) => line.replace('\t', ' '))
    .join(', ')

table('an exported dma-buf', [
  ['fdinfo', info, 'OK(flags: 02000002, size: 8192, count: 1, exp_name: udmabuf0)'],
  ['link', () => kernel.readLink(`/proc/self/fd/${one}`), 'OK(/dmabuf:)'],
  ['mmap', map(one, 2 * page), 'OK(0)'],
  ['mmap 3 pages', map(one, 3 * page), 'EINVAL'],
  ['mmap off 2 pages', map(one, page, 2 * page), 'EINVAL'],
  ['mmap 2nd page', map(one, page, page), 'OK(0)'],
  ['O_RDONLY, rw', map(forReading, page), 'EACCES'],
  ['O_RDONLY, r', map(forReading, page, 0, 'read'), 'OK(0)'],
  ['SYNC END before START', bracket(7), 'OK(0)'],
  ['SYNC START', bracket(3), 'OK(0)'],
  ['SYNC END', bracket(7), 'OK(0)'],
  ['SYNC 0', bracket(0), 'EINVAL'],
  ['SET_SYNC_FOR_CPU of it', bracket(0, 0x40085505), 'ENOTTY'],
])

describe('what is left', () => {
  it('is ready at all times', async () => {
    expect(await kernel.poll(fd, POLLIN | POLLOUT)).toBe(POLLIN | POLLOUT)
    expect(await kernel.poll(one, POLLIN | POLLOUT)).toBe(POLLIN | POLLOUT)
  })

  it('is the same bytes, by each way', () => {
    const all = kernel.mmap(fd, { byteLength: MiB })
    const past = kernel.mmap(synchronous, { byteLength: MiB })
    const part = kernel.mmap(one, { byteLength: page, position: page })
    all.bytes[2 * page + 5] = 7
    expect([past.bytes[2 * page + 5], part.bytes[5]]).toEqual([7, 7])
    kernel.write(fd, new Uint8Array([9]), 2 * page + 5)
    expect([all.bytes[2 * page + 5], part.bytes[5]]).toEqual([9, 9])
    for (const mapping of [all, past, part]) mapping.close()
  })
})

afterAll(() => {
  for (const open of [fd, readOnly, writeOnly, synchronous, odd, one, forReading]) kernel.close(open)
  machine.assertQuiescent()
})
