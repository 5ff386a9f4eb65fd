import { existsSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { bundleKernel, runScript } from '../test-support/child'
import { rejectionOf, thrownBy } from '../test-support/errors'
import { firstCount, useEverything } from '../test-support/everything'
import { faultyAddonFile, loadFaultyAddon } from '../test-support/faults'
import type { DmaError } from './errors'
import { createLinuxKernel } from './linux-kernel'
import { pinHint } from './linux-pin'

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

const everything = () => useEverything(kernel)

/** The calls that such a run makes, and how many of each: at most the first three are made to fail. */
async function calls(): Promise<[name: string, count: number][]> {
  addon.clearFaults()
  await everything()
  return Object.entries(addon.callCounts()).map(([name, count]) => [name, Math.min(count, 3)])
}

const planned = await calls()

describe('a system call that fails', () => {
  it('is any of them: the run makes each call that the addon knows', () => {
    const never = planned.filter(([, count]) => count === 0).map(([name]) => name)
    // Asked for only to explain an mlock that failed, and to undo a bind: see below.
    expect(never).toEqual(['getrlimit', 'unlink'])
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
          expect(error.syscall, what).toMatch(/^[a-z0-9_]+(\([A-Z_]+\))?$/)
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
    'io_uring_setup',
    'io_uring_register',
    'poll',
    'bind',
    'listen',
    'connect',
    'accept4',
    'pidfd_open',
    'pidfd_getfd',
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

  it('a pin that fails says what to change', () => {
    const fd = kernel.memfd('pinned', { byteLength: PAGE })
    const mapping = kernel.mmap(fd, { byteLength: PAGE })
    const before = kernel.live()
    for (const [call, code, hint] of [
      ['io_uring_setup', 'EPERM', /seccomp/],
      ['io_uring_setup', 'ENOSYS', /CONFIG_IO_URING/],
      ['io_uring_register', 'ENOTSUP', /hugePageSize/],
      ['io_uring_register', 'EFAULT', /for reading and writing/],
      ['io_uring_register', 'ENOMEM', /prlimit --pid \d+ --memlock=unlimited/],
      ['calloc', 'ENOMEM', /4096 more bytes/],
    ] as const) {
      addon.injectFault(call, 1, errnoOf[code]!)
      expect(thrownBy(() => kernel.pin(mapping))).toMatchObject({ code, hint: expect.stringMatching(hint) })
      expect(kernel.live()).toEqual(before)
    }
    expect(pinHint('EPERM', PAGE, '2')).toContain('sudo sysctl kernel.io_uring_disabled=0')
    mapping.close()
    kernel.close(fd)
  })

  it('pages that could not be let go are so with their descriptor', () => {
    const fd = kernel.memfd('pinned', { byteLength: PAGE })
    const mapping = kernel.mmap(fd, { byteLength: PAGE })
    const before = kernel.live()
    const pin = kernel.pin(mapping)
    addon.injectFault('io_uring_register', 1, errnoOf.EBUSY!)
    pin.close()
    pin.close()
    expect([pin.closed, kernel.live()]).toEqual([true, before])
    mapping.close()
    kernel.close(fd)
  })

  it('a socket that could not listen leaves no file', () => {
    const place = join(tmpdir(), `linux-dma-listen-${process.pid}`)
    const before = kernel.live()
    addon.injectFault('listen', 1, errnoOf.EIO!)
    expect(thrownBy(() => kernel.listen(place))).toMatchObject({
      code: 'EIO',
      syscall: 'listen',
      path: place,
    })
    expect(existsSync(place)).toBe(false)
    addon.injectFault('listen', 1, errnoOf.EIO!)
    expect(thrownBy(() => kernel.listen(`\0${place}`))).toMatchObject({ code: 'EIO', path: `@${place}` })
    expect(kernel.live()).toEqual(before)
  })

  it('what another process has cannot be had, and why', () => {
    const before = kernel.live()
    for (const [call, code, hint] of [
      ['pidfd_open', 'ENOSYS', /Linux 5\.3/],
      ['pidfd_open', 'EINVAL', /Tgid/],
      ['pidfd_getfd', 'ENOSYS', /Linux 5\.6/],
      ['pidfd_getfd', 'EPERM', /ptrace_scope=0, or CAP_SYS_PTRACE/],
      ['pidfd_getfd', 'ESRCH', /ended/],
    ] as const) {
      addon.injectFault(call, 1, errnoOf[code]!)
      const error = thrownBy(() => {
        const own = kernel.pidfdOpen(process.pid)
        try {
          kernel.pidfdGetfd(own, own)
        } finally {
          kernel.close(own)
        }
      })
      expect(error).toMatchObject({ code, syscall: call, hint: expect.stringMatching(hint) })
      expect(kernel.live()).toEqual(before)
    }
  })

  it('mmap that fails while many mappings are open', () => {
    const fd = kernel.memfd('open', { byteLength: PAGE })
    const mappings = Array.from({ length: 10 }, () => kernel.mmap(fd, { byteLength: PAGE }))
    addon.injectFault('mmap', 1, errnoOf.ENOMEM!)
    expect(thrownBy(() => kernel.mmap(fd, { byteLength: PAGE })).hint).toContain('sysctl vm.max_map_count')
    for (const mapping of mappings) mapping.close()
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
      fails(() => addon.duplicate(0))
      fails(() => addon.pidfdOpen(process.pid))
      fails(() => addon.listen(new TextEncoder().encode('\\0' + 'nobody' + process.pid), false, 1))
      const other = kernel.socketPair()
      kernel.sendMessage(other[0], new Uint8Array(1), [0, 1, 2])
      fails(() => addon.receiveMessage(other[1], new Uint8Array(1)))
      addon.close(addon.open('/dev/null', 0))`,
    )
    expect([stderr, status]).toEqual(['', 0])
  })
})
