import { F_SEAL_FUTURE_WRITE, F_SEAL_SEAL, F_SEAL_WRITE, O_RDONLY, O_RDWR, O_WRONLY } from '@linux-dma/native'
import { type KnownStep, replays } from '../fuzz/replay'
import type { Host, Runner } from '../host'

const F_SEAL_EXEC = 0x20
const HUGE_PAGE = 0x20_0000
const part = { mapping: 0, offset: 0, byteLength: 1 }
const page = { first: 0, count: 1, odd: 0 }
const hugeFile: KnownStep = ['hugeMemfd', { byteLength: HUGE_PAGE, hugePageSize: HUGE_PAGE }, 0]
const file: KnownStep = ['memfd', { byteLength: 8192 }, 0]
const refused = (code: string, syscall: string) => ({ code, syscall })

/** What the fuzzer found the fake to do otherwise than Linux, of files in memory: shortened, and named. */
export function fuzzFoundMemory({ describe, it }: Runner, host: Host): void {
  const memfd = (...program: KnownStep[]) => replays(host, 'memfd', program)

  describe('fuzz found, memfd', () => {
    it('names reads and writes at a position as the C library does', () =>
      memfd(
        ['read', { fd: 0, byteLength: 1, position: 0 }, refused('EBADF', 'pread')],
        ['write', { fd: 0, byteLength: 1, value: 0, position: 0 }, refused('EBADF', 'pwrite')],
      ))

    it('looks at what is to be mapped, and finds that it is not open', () =>
      memfd(['mmap', { fd: 0, pages: page, writable: false }, refused('EBADF', 'statx')]))

    it('maps nothing beyond the end of a file, of whatever access', () =>
      memfd(
        file,
        ['reopen', { fd: 0, flags: O_RDONLY, O_WRONLY }, 1],
        ...[0, 1].flatMap((fd) =>
          [false, true].map(
            (writable): KnownStep => [
              'mmap',
              { fd, pages: { first: 0, count: 2, odd: 1 }, writable },
              refused('DMA_BEYOND_END', 'mmap'),
            ],
          ),
        ),
      ))

    it('takes for huge pages a power of two that it has, and whole ones', () =>
      memfd(
        [
          'hugeMemfd',
          { byteLength: HUGE_PAGE, hugePageSize: 3 * HUGE_PAGE },
          { code: 'DMA_INVALID_ARGUMENT' },
        ],
        ['hugeMemfd', { byteLength: 4096, hugePageSize: 4096 }, refused('ENODEV', 'memfd_create')],
        ['hugeMemfd', { byteLength: 4096, hugePageSize: HUGE_PAGE }, refused('EINVAL', 'ftruncate')],
      ))

    it('maps a part of a huge page', () =>
      memfd(
        hugeFile,
        ['mmap', { fd: 0, pages: { first: 0, count: 0, odd: 100 }, writable: true }, 100],
        ['poke', { mapping: 0, offset: 99, byteLength: 1, value: 7 }, undefined],
        ['read', { fd: 0, byteLength: 3, position: 98 }, [3, '1×00, 1×07, 1×00']],
      ))

    it('locks no huge pages: they stay where they are without it', () =>
      memfd(
        hugeFile,
        ['mmap', { fd: 0, pages: page, writable: true }, HUGE_PAGE],
        ['mlock', part, undefined],
        ['counts', {}, [0, 0]],
      ))

    it('refuses to write to huge pages, sealed or not, in the same way', () =>
      memfd(
        hugeFile,
        ['addSeals', { fd: 0, seals: F_SEAL_FUTURE_WRITE }, undefined],
        ['write', { fd: 0, byteLength: 0, value: 0, position: undefined }, refused('EINVAL', 'write')],
      ))

    it('knows an eventfd by its link and its flags', () =>
      memfd(['eventfd', { count: 0 }, 0], ['describe', { fd: 0 }, ['anon_inode:[eventfd]', '0', '02004002']]))

    it('leaves an eventfd at position 0', () =>
      memfd(
        ['eventfd', { count: 0 }, 0],
        ['write', { fd: 0, byteLength: 8, value: 0, position: undefined }, 8],
        ['describe', { fd: 0 }, ['anon_inode:[eventfd]', '0', '02004002']],
      ))

    it('refuses seals that are no integer of C, before the descriptor is looked at', () =>
      memfd(['addSeals', { fd: 0, seals: 0x8000_0000 }, { code: 'DMA_INVALID_ARGUMENT' }]))

    it('looks at how the file is open before it looks at the seals', () =>
      memfd(
        file,
        ['reopen', { fd: 0, flags: O_RDONLY, O_WRONLY }, 1],
        ['addSeals', { fd: 1, seals: 0x40 }, refused('EPERM', 'fcntl(F_ADD_SEALS)')],
        ['addSeals', { fd: 0, seals: F_SEAL_SEAL }, undefined],
        ['addSeals', { fd: 0, seals: 0x40 }, refused('EINVAL', 'fcntl(F_ADD_SEALS)')],
      ))

    it('seals the content where it seals the permission to execute', () =>
      memfd(
        file,
        ['addSeals', { fd: 0, seals: F_SEAL_EXEC }, undefined],
        ['getSeals', { fd: 0 }, 0x3e],
        ['write', { fd: 0, byteLength: 1, value: 0, position: 0 }, refused('EPERM', 'pwrite')],
      ))

    it('writes nothing to a sealed file, where it is asked to write nothing', () =>
      memfd(
        file,
        ['addSeals', { fd: 0, seals: F_SEAL_WRITE }, undefined],
        ['write', { fd: 0, byteLength: 0, value: 0, position: undefined }, 0],
        ['write', { fd: 0, byteLength: 1, value: 0, position: undefined }, refused('EPERM', 'write')],
      ))

    for (const [name, made] of [
      ['base', file],
      ['huge', hugeFile],
    ] as const) {
      it(`does not seal against writing what is mapped for reading, unless it could be for nothing else: ${name} pages`, () =>
        memfd(
          made,
          ['mmap', { fd: 0, pages: page, writable: false }, name === 'base' ? 4096 : HUGE_PAGE],
          ['addSeals', { fd: 0, seals: F_SEAL_WRITE }, refused('EBUSY', 'fcntl(F_ADD_SEALS)')],
          ['unmap', { mapping: 0 }, true],
          ['reopen', { fd: 0, flags: O_RDONLY, O_WRONLY }, 1],
          ['mmap', { fd: 1, pages: page, writable: false }, name === 'base' ? 4096 : HUGE_PAGE],
          ['addSeals', { fd: 0, seals: F_SEAL_WRITE }, undefined],
          ['look', { ...part, mapping: 1 }, '1×00'],
        ))
    }
  })
}

/** The same, of sockets. */
export function fuzzFoundSockets({ describe, it }: Runner, host: Host): void {
  const closed: KnownStep[] = [
    ['memfd', { byteLength: 1 }, 0],
    ['close', { fd: 0 }, undefined],
  ]

  describe('fuzz found, sockets', () => {
    it('tells of an end that was closed with something unread before it looks at what is to be sent', () =>
      replays(host, 'sockets', [
        ...closed,
        ['socketPair', {}, [1, 2]],
        ['send', { fd: 2, byteLength: 1, value: 0, descriptors: [] }, 1],
        ['close', { fd: 1 }, undefined],
        ['send', { fd: 2, byteLength: 1, value: 0, descriptors: [0] }, refused('ECONNRESET', 'sendmsg')],
      ]))

    it('tells write(2) of it, too, and once', () =>
      replays(host, 'sockets', [
        ['socketPair', {}, [0, 1]],
        ['send', { fd: 0, byteLength: 1, value: 0, descriptors: [] }, 1],
        ['close', { fd: 1 }, undefined],
        ['write', { fd: 0, byteLength: 4096, value: 0 }, refused('ECONNRESET', 'write')],
        ['write', { fd: 0, byteLength: 4096, value: 0 }, refused('EPIPE', 'write')],
      ]))

    for (const [type, code] of [
      ['seqpacket', 'ENOTCONN'],
      ['stream', 'EBADF'],
    ] as const) {
      it(`looks at the connection and at what is to be sent in the order of its type: ${type}`, () =>
        replays(host, 'sockets', [
          ...closed,
          ['listen', { name: 0, type, backlog: 0 }, 1],
          ['send', { fd: 1, byteLength: 1, value: 0, descriptors: [0] }, refused(code, 'sendmsg')],
        ]))
    }
  })
}

/** The same, of dma-bufs. */
export function fuzzFoundDmaBufs({ describe, it }: Runner, host: Host): void {
  const udmabuf = (...program: KnownStep[]) => replays(host, 'udmabuf', program)
  const allocated: KnownStep = ['allocate', { size: 12_288n, given: 0, flags: O_WRONLY, heapFlags: 0n }, 0]

  describe('fuzz found, udmabuf', () => {
    it('finds that a buffer has no positions before it finds that it is not for reading', () =>
      udmabuf(allocated, ['read', { fd: 0, byteLength: 0, position: 0 }, refused('ESPIPE', 'pread')]))

    it('finds that what takes no seals is not open for writing, before anything else', () =>
      udmabuf(
        ['allocate', { size: 12_288n, given: 0, flags: O_RDWR, heapFlags: 0n }, 0],
        ['exportSyncFile', { fd: 0, flags: 1 }, 1],
        ['addSeals', { fd: 1, seals: 6 }, refused('EPERM', 'fcntl(F_ADD_SEALS)')],
        ['addSeals', { fd: 0, seals: 6 }, refused('EINVAL', 'fcntl(F_ADD_SEALS)')],
        ['allocate', { size: 12_288n, given: 0, flags: O_RDONLY, heapFlags: 0n }, 2],
        ['addSeals', { fd: 2, seals: 6 }, refused('EPERM', 'fcntl(F_ADD_SEALS)')],
      ))

    it('locks nothing of what is mapped', () =>
      udmabuf(
        ['allocate', { size: 12_288n, given: 0, flags: O_RDWR, heapFlags: 0n }, 0],
        ['mmap', { fd: 0, pages: page, writable: false }, 4096],
        ['mlock', part, undefined],
        ['counts', {}, [0, 0]],
      ))
  })
}
