import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { thrownBy } from '../test-support/errors'
import { F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, O_RDONLY, O_RDWR } from './constants'
import { linuxKernel } from './linux-kernel'

const kernel = linuxKernel()
const folder = mkdtempSync(join(tmpdir(), 'linux-dma-'))
afterAll(() => rmSync(folder, { recursive: true }))

const FIONREAD = 0x541b

function withFile<Value>(text: string, use: (fd: number, path: string) => Value): Value {
  const path = join(folder, 'file')
  writeFileSync(path, text)
  const fd = kernel.open(path, O_RDWR)
  try {
    return use(fd, path)
  } finally {
    kernel.close(fd)
  }
}

describe('open and close', () => {
  it('counts what is open, and closes it on exec', () => {
    const before = kernel.live().descriptors
    const fd = kernel.open('/dev/null', O_RDONLY)
    expect(kernel.live().descriptors).toBe(before + 1)
    expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')).toMatch(/flags:\s+0?2[0-9]*000/)
    kernel.close(fd)
    expect(kernel.live().descriptors).toBe(before)
  })

  it('names the file and the next command when it is missing or closed to this user', () => {
    const path = join(folder, 'missing')
    const error = thrownBy(() => kernel.open(path, O_RDONLY))
    expect(error).toMatchObject({ name: 'DmaError', code: 'ENOENT', errno: -2, syscall: 'open', path })
    expect(error.hint).toContain(`ls -l ${folder}`)
    expect(thrownBy(() => kernel.open(folder, O_RDWR)).code).toBe('EISDIR')
  })

  it('closes only what it has opened itself, once', () => {
    const foreign = openSync('/dev/null', 'r')
    expect(thrownBy(() => kernel.close(foreign))).toMatchObject({
      code: 'EBADF',
      errno: -9,
      syscall: 'close',
    })
    closeSync(foreign)
    const fd = kernel.eventfd()
    kernel.close(fd)
    expect(thrownBy(() => kernel.close(fd)).hint).toContain('not opened through this kernel')
  })

  it.each([-1, 0.5, NaN, 2 ** 31, '3', 3n, undefined, null, {}])('refuses the descriptor %s', (fd) => {
    for (const verb of ['close', 'getSeals'] as const) {
      expect(thrownBy(() => kernel[verb](fd as number)).code).toBe('DMA_INVALID_ARGUMENT')
    }
    expect(thrownBy(() => kernel.read(fd as number, new Uint8Array(1))).code).toBe('DMA_INVALID_ARGUMENT')
    expect(thrownBy(() => kernel.ioctl(fd as number, FIONREAD)).code).toBe('DMA_INVALID_ARGUMENT')
    expect(thrownBy(() => kernel.mmap(fd as number, { byteLength: 1 })).code).toBe('DMA_INVALID_ARGUMENT')
    expect(thrownBy(() => kernel.watch(fd as number, 8, { onCount() {}, onError() {} })).code).toBe(
      'DMA_INVALID_ARGUMENT',
    )
  })

  it.each(['', 'a\0b', 7, undefined, null])('refuses the path %j', (path) => {
    expect(thrownBy(() => kernel.open(path as string, O_RDONLY)).code).toBe('DMA_INVALID_ARGUMENT')
  })

  it('refuses a path that is longer than Linux takes', () => {
    expect(thrownBy(() => kernel.open('/'.repeat(5000), O_RDONLY)).code).toBe('DMA_INVALID_ARGUMENT')
  })
})

describe('read and write', () => {
  it('go on from the place before, or take a position and leave that place alone', () => {
    withFile('hello world', (fd, path) => {
      const bytes = new Uint8Array(5)
      expect(kernel.read(fd, bytes)).toBe(5)
      expect(Buffer.from(bytes).toString()).toBe('hello')
      expect(kernel.read(fd, bytes, 6)).toBe(5)
      expect(Buffer.from(bytes).toString()).toBe('world')
      expect(kernel.write(fd, Buffer.from('+'))).toBe(1)
      expect(kernel.write(fd, Buffer.from('!'), 11)).toBe(1)
      expect(readFileSync(path, 'utf8')).toBe('hello+world!')
      expect(kernel.read(fd, bytes, 100)).toBe(0)
      expect(kernel.read(fd, new Uint8Array(0))).toBe(0)
    })
  })

  it('use exactly the bytes of a view', () => {
    withFile('abcdef', (fd) => {
      const bytes = new Uint8Array(6)
      expect(kernel.read(fd, bytes.subarray(2, 4), 0)).toBe(2)
      expect([...bytes]).toEqual([0, 0, 97, 98, 0, 0])
    })
  })

  it('refuse bytes whose memory can move, vanish or be written by others', () => {
    const detached = new Uint8Array(8)
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    const resizable = new Uint8Array(
      Reflect.construct(ArrayBuffer, [8, { maxByteLength: 16 }]) as ArrayBuffer,
    )
    const shared = new Uint8Array(new SharedArrayBuffer(8))
    const bad = [
      detached,
      resizable,
      shared,
      new Uint16Array(4),
      new DataView(new ArrayBuffer(8)),
      [1, 2],
      'ab',
      undefined,
    ]
    withFile('text', (fd) => {
      for (const bytes of bad) {
        expect(thrownBy(() => kernel.read(fd, bytes as Uint8Array)).code).toBe('DMA_INVALID_ARGUMENT')
        expect(thrownBy(() => kernel.write(fd, bytes as Uint8Array)).code).toBe('DMA_INVALID_ARGUMENT')
        if (bytes === undefined) continue
        expect(thrownBy(() => kernel.ioctl(fd, FIONREAD, bytes as Uint8Array)).code).toBe(
          'DMA_INVALID_ARGUMENT',
        )
      }
      for (const position of [-1, 0.5, NaN, 2 ** 53, '0']) {
        expect(thrownBy(() => kernel.read(fd, new Uint8Array(1), position as number)).code).toBe(
          'DMA_INVALID_ARGUMENT',
        )
      }
    })
  })

  it('say what the kernel says', () => {
    const fd = kernel.eventfd()
    expect(thrownBy(() => kernel.read(fd, new Uint8Array(8)))).toMatchObject({
      code: 'EAGAIN',
      errno: -11,
      syscall: 'read',
    })
    expect(thrownBy(() => kernel.read(fd, new Uint8Array(4))).code).toBe('EINVAL')
    expect(thrownBy(() => kernel.read(fd, new Uint8Array(8), 0)).code).toBe('ESPIPE')
    kernel.close(fd)
    expect(thrownBy(() => kernel.read(fd, new Uint8Array(8))).code).toBe('EBADF')
  })
})

describe('ioctl', () => {
  it('fills bytes in place and passes numbers by value', () => {
    const [left, right] = kernel.socketPair()
    kernel.sendMessage(left, new Uint8Array(7))
    const count = new Uint8Array(4)
    expect(kernel.ioctl(right, FIONREAD, count)).toBe(0)
    expect(new DataView(count.buffer).getInt32(0, true)).toBe(7)
    kernel.close(left)
    kernel.close(right)
  })

  it('is called by the name it is given, or by its number', () => {
    withFile('', (fd) => {
      expect(thrownBy(() => kernel.ioctl(fd, 0x3b67, 0, 'VFIO_CHECK_EXTENSION'))).toMatchObject({
        code: 'ENOTTY',
        syscall: 'ioctl(VFIO_CHECK_EXTENSION)',
      })
      expect(thrownBy(() => kernel.ioctl(fd, 0x3b67)).syscall).toBe('ioctl(0x3b67)')
    })
  })

  it('refuses bytes that are fewer than the request would use', () => {
    const request = 0xc0000000 + (24 << 16) + 0x4800 // _IOWR('H', 0, char[24])
    withFile('', (fd) => {
      expect(thrownBy(() => kernel.ioctl(fd, request, new Uint8Array(23))).code).toBe('DMA_INVALID_ARGUMENT')
      expect(thrownBy(() => kernel.ioctl(fd, request, new Uint8Array(24))).code).toBe('ENOTTY')
      for (const bad of [-1, 2 ** 32, 1.5]) {
        expect(thrownBy(() => kernel.ioctl(fd, bad)).code).toBe('DMA_INVALID_ARGUMENT')
      }
    })
  })
})

describe('eventfd', () => {
  it('counts from the initial value up', () => {
    const fd = kernel.eventfd(0xffffffff)
    const value = new BigUint64Array([2n])
    kernel.write(fd, new Uint8Array(value.buffer))
    expect(kernel.read(fd, new Uint8Array(value.buffer))).toBe(8)
    expect(value[0]).toBe(0x100000001n)
    kernel.close(fd)
    for (const bad of [-1, 2 ** 32, 1.5, 3n]) {
      expect(thrownBy(() => kernel.eventfd(bad as number)).code).toBe('DMA_INVALID_ARGUMENT')
    }
  })
})

describe('memfd', () => {
  it('cannot shrink, and takes more seals', () => {
    const fd = kernel.memfd('sealed', { byteLength: 8192 })
    expect(kernel.getSeals(fd)).toBe(F_SEAL_SHRINK)
    kernel.addSeals(fd, F_SEAL_WRITE | F_SEAL_SEAL)
    expect(kernel.getSeals(fd)).toBe(F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL)
    expect(thrownBy(() => kernel.addSeals(fd, F_SEAL_SHRINK))).toMatchObject({
      code: 'EPERM',
      syscall: 'fcntl(F_ADD_SEALS)',
    })
    kernel.close(fd)
    withFile('', (file) => {
      expect(thrownBy(() => kernel.getSeals(file))).toMatchObject({
        code: 'EINVAL',
        syscall: 'fcntl(F_GET_SEALS)',
      })
    })
  })

  it('refuses options it does not know and sizes that cannot be', () => {
    const make = (options: object) => thrownBy(() => kernel.memfd('bad', options as { byteLength: number }))
    expect(make({ byteLength: 1, hugepageSize: 4096 })).toMatchObject({ code: 'DMA_INVALID_ARGUMENT' })
    expect(make({ byteLength: 1, hugepageSize: 4096 }).hint).toContain('hugePageSize')
    for (const byteLength of [0, -1, 1.5, NaN, 2 ** 53, '4096', 4096n]) {
      expect(make({ byteLength }).code).toBe('DMA_INVALID_ARGUMENT')
    }
    expect(make({ byteLength: 4096, hugePageSize: 3000 }).code).toBe('DMA_INVALID_ARGUMENT')
    expect(thrownBy(() => kernel.memfd('', { byteLength: 1 })).code).toBe('DMA_INVALID_ARGUMENT')
    expect(thrownBy(() => kernel.memfd('x'.repeat(250), { byteLength: 1 })).code).toBe('EINVAL')
  })

  it('says which huge pages there are, and leaves nothing open when it fails', () => {
    const before = kernel.live()
    const unknown = thrownBy(() => kernel.memfd('huge', { byteLength: 2 ** 20, hugePageSize: 2 ** 13 }))
    expect(unknown.hint).toMatch(/huge pages of .*2097152/)
    const odd = thrownBy(() => kernel.memfd('huge', { byteLength: 4096, hugePageSize: 2 ** 21 }))
    expect(odd).toMatchObject({ code: 'EINVAL', syscall: 'ftruncate' })
    expect(odd.hint).toContain('multiple of the huge page size')
    expect(kernel.live()).toEqual(before)
  })
})
