import { constants } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { bundleKernel, runScript } from '../test-support/child'
import { rejectionOf, thrownBy } from '../test-support/errors'
import { faultyAddonFile, loadFaultyAddon } from '../test-support/faults'
import { POLLIN } from './constants'
import type { DmaError } from './errors'
import type { Kernel } from './kernel'
import { createLinuxKernel } from './linux-kernel'

const addon = loadFaultyAddon()
const kernel = createLinuxKernel(addon)
const PAGE = kernel.pageSize
const bundle = bundleKernel()
const ERRORS = [
  'ENOMEM',
  'EMFILE',
  'ENFILE',
  'EAGAIN',
  'EINTR',
  'EPERM',
  'EACCES',
  'EINVAL',
  'EFAULT',
  'ENOSPC',
  'EBUSY',
  'ENODEV',
  'EIO',
] as const
const errnoOf = constants.errno as Record<string, number>

afterEach(() => addon.clearFaults())

/** Remembers how to give back what was acquired; a release that a fault has stopped is tried again. */
class Releases {
  readonly #releases: (() => void)[] = []

  add(release: () => void): void {
    this.#releases.push(release)
  }

  run(): void {
    let first: unknown
    for (const release of this.#releases.reverse()) {
      try {
        release()
      } catch (error) {
        first ??= error
        try {
          release()
        } catch (again) {
          // A descriptor is gone after its close, whatever close said.
          if ((again as DmaError).code !== 'EBADF') throw again
        }
      }
    }
    if (first !== undefined) throw first
  }
}

/** Every verb that makes a system call in native code, once or more. */
async function everything(): Promise<void> {
  const releases = new Releases()
  const owned = (fd: number) => {
    releases.add(() => kernel.close(fd))
    return fd
  }
  const mapped = <Mapping extends { close(): void }>(mapping: Mapping) => {
    releases.add(() => mapping.close())
    return mapping
  }
  try {
    owned(kernel.open('/dev/null', 0))
    const bytes = new Uint8Array(8)
    const memory = owned(kernel.memfd('memory', { byteLength: 4 * PAGE }))
    kernel.addSeals(memory, kernel.getSeals(memory))
    kernel.write(memory, bytes)
    kernel.read(memory, bytes)
    kernel.write(memory, bytes, PAGE)
    kernel.read(memory, bytes, PAGE)
    const [left, right] = kernel.socketPair()
    owned(left)
    owned(right)
    kernel.sendMessage(left, bytes, [memory])
    kernel.ioctl(right, 0x541b, new Uint8Array(4), 'FIONREAD')
    for (const fd of kernel.receiveMessage(right, bytes).descriptors) owned(fd)
    mapped(kernel.mmap(memory, { byteLength: PAGE }))
    const mapping = mapped(kernel.mmap(memory, { byteLength: 4 * PAGE }))
    mapping.bytes[0] = 1
    kernel.mlock(mapping)
    kernel.munlock(mapping)
    kernel.readPagemap(mapping.address, new BigUint64Array(4))
    mapped(kernel.mapRegisters(memory, { byteLength: PAGE })).read64(8)
    const counter = owned(kernel.eventfd(1))
    await firstCount(kernel, counter)
    const poll = kernel.poll(counter, POLLIN)
    // Where the write below fails, the poll ends with the descriptor, and nobody waits for it.
    poll.catch(() => {})
    kernel.write(counter, new Uint8Array(new BigUint64Array([1n]).buffer))
    await poll
  } finally {
    releases.run()
  }
}

function firstCount(of: Kernel, fd: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const watch = of.watch(fd, 8, {
      onCount(count) {
        watch.close()
        resolve(count)
      },
      onError: reject,
    })
  })
}

/** The calls that the run above makes, and how many of each: at most the first three are made to fail. */
async function calls(): Promise<[name: string, count: number][]> {
  addon.clearFaults()
  await everything()
  return Object.entries(addon.callCounts()).map(([name, count]) => [name, Math.min(count, 3)])
}

const planned = await calls()

describe('a system call that fails', () => {
  it('is any of them: the run makes each call that the addon knows', () => {
    const never = planned.filter(([, count]) => count === 0).map(([name]) => name)
    // Asked for only to explain an mlock that failed: see below.
    expect(never).toEqual(['getrlimit'])
  })

  it.each(planned.filter(([, count]) => count > 0))('is a clean error: %s', async (name, count) => {
    await everything()
    const before = kernel.live()
    for (const code of ERRORS) {
      for (let nth = 1; nth <= count; nth++) {
        addon.injectFault(name, nth, errnoOf[code]!)
        const error = await everything().then(
          () => undefined,
          (reason: DmaError) => reason,
        )
        const what = `${name} ${nth} ${code}`
        expect(kernel.live(), what).toEqual(before)
        if (error === undefined) continue
        expect(error.name, what).toBe('DmaError')
        expect(meaningsOf(name, code), what).toContain(error.code)
        if (!error.code.startsWith('DMA_')) {
          expect(error.errno, what).toBe(-errnoOf[error.code]!)
          expect(error.syscall, what).toMatch(/^[a-z_]+(\([A-Z_]+\))?$/)
        }
      }
    }
    addon.clearFaults()
    await everything()
  })

  /** The codes that an errno may come to, where it says more than itself. */
  function meaningsOf(name: string, code: string): string[] {
    if (name === 'external_buffer') return ['DMA_NO_EXTERNAL_BUFFERS']
    if (name === 'calloc') return ['ENOMEM']
    // The one that asks whether a file can be sealed at all.
    if (name === 'fcntl' && code === 'EINVAL') return ['EINVAL', 'DMA_UNSEALED']
    return [code]
  }
})

describe('calls that a signal interrupts', () => {
  it.each([
    'open',
    'read',
    'write',
    'pread',
    'pwrite',
    'memfd_create',
    'ftruncate',
    'fcntl',
    'statx',
    'fstatfs',
    'madvise',
    'mlock',
    'munlock',
    'poll',
    'sendmsg',
    'recvmsg',
    'close',
    'munmap',
  ])('are made again: %s', async (name) => {
    addon.injectFault(name, 1, errnoOf.EINTR!)
    await everything()
  })

  it('are not where a driver has to decide: ioctl', async () => {
    addon.injectFault('ioctl', 1, errnoOf.EINTR!)
    expect(await rejectionOf(everything())).toMatchObject({ code: 'EINTR', syscall: 'ioctl(FIONREAD)' })
  })
})

describe('what the errors say', () => {
  it('mlock that fails while the limit cannot be read', () => {
    const fd = kernel.memfd('locked', { byteLength: PAGE })
    const mapping = kernel.mmap(fd, { byteLength: PAGE })
    addon.injectFault('mlock', 1, errnoOf.ENOMEM!)
    addon.injectFault('getrlimit', 1, errnoOf.EINVAL!)
    expect(thrownBy(() => kernel.mlock(mapping))).toMatchObject({ code: 'ENOMEM', syscall: 'mlock' })
    mapping.close()
    kernel.close(fd)
  })

  it('mmap that fails while closed mappings keep addresses', () => {
    const fd = kernel.memfd('many', { byteLength: PAGE })
    const views = Array.from({ length: 10 }, () => {
      const mapping = kernel.mmap(fd, { byteLength: PAGE })
      const { bytes } = mapping
      mapping.close()
      return bytes
    })
    addon.injectFault('mmap', 1, errnoOf.ENOMEM!)
    expect(thrownBy(() => kernel.mmap(fd, { byteLength: PAGE })).hint).toContain('let the event loop turn')
    expect(views).toHaveLength(10)
    kernel.close(fd)
  })

  it('a mapping that could not be parked stays open, and can be closed later', () => {
    const fd = kernel.memfd('parks', { byteLength: PAGE })
    const before = kernel.live()
    const mapping = kernel.mmap(fd, { byteLength: PAGE })
    mapping.bytes[0] = 5
    addon.injectFault('mmap', 1, errnoOf.ENOMEM!)
    expect(thrownBy(() => mapping.close({ detach: true })).code).toBe('ENOMEM')
    expect([mapping.closed, mapping.bytes[0]]).toEqual([false, 5])
    mapping.close()
    expect(kernel.live()).toEqual(before)
    kernel.close(fd)
  })

  it('a runtime without external buffers', () => {
    const fd = kernel.memfd('electron', { byteLength: PAGE })
    const before = kernel.live()
    addon.injectFault('external_buffer', 1, errnoOf.EPERM!)
    expect(thrownBy(() => kernel.mapRegisters(fd, { byteLength: PAGE })).hint).toContain('Node.js process')
    expect(kernel.live()).toEqual(before)
    kernel.close(fd)
  })

  it('a watch whose counter fails ends with that error, once', async () => {
    const fd = kernel.eventfd(1)
    const before = kernel.live()
    addon.injectFault('read', 1, errnoOf.EIO!)
    expect(await rejectionOf(firstCount(kernel, fd))).toMatchObject({ code: 'EIO', syscall: 'read' })
    expect(kernel.live()).toEqual(before)
    addon.injectFault('read', 1, errnoOf.EAGAIN!)
    expect(await firstCount(kernel, fd)).toBe(1)
    kernel.close(fd)
  })
})

describe('no memory for the books', () => {
  it('closes a descriptor that could not be counted', () => {
    // A fresh process: the first descriptor of a thread is the one that needs memory.
    const { stderr, status } = runScript(
      bundle,
      `import fs from 'node:fs'
      import { createRequire } from 'node:module'
      const count = () => fs.readdirSync('/proc/self/fd').length
      const file = '${faultyAddonFile}'
      const before = { bare: count() }
      const addon = createRequire(file)(file)
      const nothing = addon.live()
      const fails = (call) => {
        const open = count()
        addon.injectFault('calloc', 1, 12)
        assert.throws(call, { errno: -12 })
        assert.equal(count(), open)
        assert.deepEqual(addon.live(), nothing)
      }
      fails(() => addon.open('/dev/null', 0))
      fails(() => addon.eventfd(0))
      fails(() => addon.memfd('x', 4096, 0))
      fails(() => addon.socketPair())
      const other = kernel.socketPair()
      kernel.sendMessage(other[0], new Uint8Array(1), [0, 1, 2])
      fails(() => addon.receiveMessage(other[1], new Uint8Array(1)))
      addon.close(addon.open('/dev/null', 0))`,
    )
    expect([stderr, status]).toEqual(['', 0])
  })
})

describe('the raw addon', () => {
  it('survives every kind of wrong argument', () => {
    const junk = [
      undefined,
      null,
      true,
      -1,
      0,
      1,
      2 ** 31,
      2 ** 53,
      NaN,
      Infinity,
      0.5,
      1n,
      '',
      'x'.repeat(5000),
      {},
      [],
      () => {},
      Symbol('x'),
      new Uint8Array(0),
      new Uint8Array(8),
      new ArrayBuffer(8),
      new Proxy({}, {}),
      Object.create(null),
      new DataView(new ArrayBuffer(8)),
      new Float64Array(2),
      addon,
    ]
    const {
      close: _close,
      injectFault: _inject,
      clearFaults: _clear,
      callCounts: _counts,
      adopt: _adopt,
      ...functions
    } = addon as unknown as Record<string, (...values: unknown[]) => unknown>
    const before = kernel.live()
    let calls = 0
    for (const [name, call] of Object.entries(functions)) {
      if (typeof call !== 'function') continue
      for (const first of junk) {
        // Descriptors 0 to 2 are this process's own.
        if (first === 0 || first === 1) continue
        for (const second of junk) {
          for (const third of [undefined, 0, new Uint8Array(8), {}]) {
            calls++
            try {
              const result = call(first, second, third, false)
              if (['eventfd', 'memfd', 'open'].includes(name)) addon.close(result as number)
              if (name === 'socketPair') for (const fd of result as number[]) addon.close(fd)
            } catch (error) {
              expect(error).toBeInstanceOf(Error)
            }
          }
        }
      }
    }
    expect(calls).toBeGreaterThan(50_000)
    expect(kernel.live()).toEqual(before)
  }, 60_000)

  it('takes no other object for a handle', () => {
    const fd = kernel.eventfd()
    const watch = addon.watch(fd, 8, POLLIN, () => {})
    const memory = kernel.memfd('tagged', { byteLength: PAGE })
    const mapping = addon.map(memory, PAGE, 0, true)
    for (const bad of [watch, {}, Object.create(mapping), { ...mapping }, structuredClone({})]) {
      expect(() => addon.viewMapping(bad as typeof mapping)).toThrow('not a handle')
      expect(() => addon.closeMapping(bad as typeof mapping)).toThrow('not a handle')
    }
    expect(() => addon.closeWatch(mapping as unknown as typeof watch)).toThrow('not a handle')
    addon.closeWatch(watch)
    addon.closeMapping(mapping)
    kernel.close(fd)
    kernel.close(memory)
  })
})
