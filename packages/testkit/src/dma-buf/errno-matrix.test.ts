import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_WRITE,
  type MemoryMapping,
  O_RDONLY,
  O_RDWR,
  POLLIN,
  POLLOUT,
} from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { type Item, rawDmaBuf, sync } from '../fixtures/raw-dma-buf'
import { struct } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'

/*
 * Each row is a line of the recording of a live Linux 6.12 (udmabuf-heap.txt), in its order and with its answer; where that
 * is the number of a descriptor, which depends on what else is open, it is left out. So is what `Kernel` has no verb for:
 * lseek, private mappings, memfds without seals, files of tmpfs, pipes, fork.
 */
const page = 4096
const MiB = 0x100000

const machine = createFakeMachine({ hugePages: 4 })
const { kernel } = machine
const raw = rawDmaBuf(kernel)

let udmabuf = -1
let buffer = -1
let mapping: MemoryMapping
let syncFile = -1
const memfd = kernel.memfd('x', { byteLength: 1024 * page })
const large = kernel.memfd('large', { byteLength: 65 * MiB })

type Row = [line: string, run: () => unknown, expected: string]

function table(title: string, rows: Row[]): void {
  describe(title, () => {
    for (const [line, run, expected] of rows) {
      it(line, async () => {
        expect(outcome(run)).toBe(expected)
      })
    }
  })
}

const create = (item: Item, flags = 0) => kernel.close(raw.create(udmabuf, item, flags))
const createList = (items: Item[]) => kernel.close(raw.createList(udmabuf, items))
const sealed = (seals: number): Item => {
  const fd = kernel.memfd('sealed', { byteLength: page })
  kernel.addSeals(fd, seals)
  return [fd, 0, page]
}
const map = (byteLength: number, position = 0) => {
  kernel.mmap(buffer, { byteLength, position }).close()
}
const samePage = (count: number) => Array.from({ length: count }, (): Item => [memfd, 0, page])
const parameter = (name: string) => () => kernel.readText(`/sys/module/udmabuf/parameters/${name}`).trim()

table('udmabuf', [
  [
    'open /dev/udmabuf',
    () => {
      udmabuf = kernel.open('/dev/udmabuf', O_RDWR)
    },
    'OK(0)',
  ],
  ['mode', () => machine.stat('/dev/udmabuf').mode.toString(8), 'OK(600)'],
  ['list_limit', parameter('list_limit'), 'OK(1024)'],
  ['size_limit_mb', parameter('size_limit_mb'), 'OK(64)'],
  ['offset unaligned', () => create([memfd, 1, page]), 'EINVAL'],
  ['size unaligned', () => create([memfd, 0, page + 1]), 'EINVAL'],
  ['size 0', () => create([memfd, 0, 0]), 'EINVAL'],
  ['stdin as memfd', () => create([0, 0, page]), 'EBADFD'],
  ['fd -1', () => create([-1, 0, page]), 'EBADFD'],
  ['another device than /dev/null', () => create([udmabuf, 0, page]), 'EBADFD'],
  ['SHRINK|WRITE sealed', () => create(sealed(F_SEAL_WRITE)), 'EINVAL'],
  ['SHRINK|FUTURE_WRITE sealed', () => create(sealed(F_SEAL_FUTURE_WRITE)), 'EINVAL'],
  ['SHRINK|GROW|SEAL sealed', () => create(sealed(F_SEAL_GROW | F_SEAL_SEAL)), 'OK(0)'],
  ['range beyond EOF', () => create([memfd, 1023 * page, 2 * page]), 'EINVAL'],
  ['offset at EOF', () => create([memfd, 1024 * page, page]), 'EINVAL'],
  ['offset huge (1<<62)', () => create([memfd, 1n << 62n, page]), 'EINVAL'],
  ['offset negative', () => create([memfd, (1n << 64n) - 4096n, page]), 'EINVAL'],
  ['64 MiB exactly', () => create([large, 0, 64 * MiB]), 'OK(0)'],
  ['64 MiB + 1 page', () => create([large, 0, 64 * MiB + page]), 'EINVAL'],
  ['unknown flag bits 0xfffffffe', () => create([memfd, 0, page], 0xffff_fffe), 'OK(0)'],
  ['NULL arg', () => raw.call(udmabuf, 'UDMABUF_CREATE', 0), 'EFAULT'],
  ['unknown ioctl', () => kernel.ioctl(udmabuf, 0x7599, struct(0n)), 'ENOTTY'],
  ['list count=0', () => createList([]), 'EINVAL'],
  [
    'list count=1024 same page',
    () => {
      const fd = raw.createList(udmabuf, samePage(1024))
      const { size } = raw.info(fd)
      kernel.close(fd)
      return size
    },
    'OK(4194304)',
  ],
  ['list count=1025', () => createList(samePage(1025)), 'EINVAL'],
  ['list: second item sealed', () => createList([[memfd, 0, page], sealed(F_SEAL_WRITE)]), 'EINVAL'],
])

table('the buffer', [
  [
    'create OK 4 pages flags=CLOEXEC',
    () => {
      buffer = raw.create(udmabuf, [memfd, 4 * page, 4 * page], 1)
    },
    'OK(0)',
  ],
  ['FD_CLOEXEC=1 flags=0x2', () => raw.info(buffer).flags, 'OK(02000002)'],
  ['fstat size=16384', () => raw.info(buffer).size, 'OK(16384)'],
  ['read()', () => kernel.read(buffer, new Uint8Array(1)), 'EINVAL'],
  ['write()', () => kernel.write(buffer, new Uint8Array(1)), 'EINVAL'],
  ['mmap 5 pages', () => map(5 * page), 'EINVAL'],
  ['mmap off=4 pages', () => map(page, 4 * page), 'EINVAL'],
  [
    'mmap',
    () => {
      mapping = kernel.mmap(buffer, { byteLength: 4 * page })
    },
    'OK(0)',
  ],
  [
    'coherence: q[0]=1 a[4p+1]=2',
    () => {
      using own = kernel.mmap(memfd, { byteLength: 1024 * page })
      own.bytes[4 * page] = 1
      mapping.bytes[1] = 2
      return [mapping.bytes[0], own.bytes[4 * page + 1]]
    },
    'OK(1,2)',
  ],
  ['mlock(udmabuf mapping)', () => kernel.mlock(mapping), 'OK(0)'],
  ['munlock', () => kernel.munlock(mapping), 'OK(0)'],
  ['pages that can be pinned, in place of vmsplice', () => kernel.pin(mapping), 'EFAULT'],
  ['SYNC END before any START', () => raw.sync(buffer, sync.both | sync.end), 'EINVAL'],
  ['SYNC flags=0', () => raw.sync(buffer, 0), 'EINVAL'],
  ['SYNC unknown bit 3', () => raw.sync(buffer, sync.both | 8), 'EINVAL'],
  ['SYNC START READ', () => raw.sync(buffer, sync.read), 'OK(0)'],
  ['SYNC END WRITE (mismatch)', () => raw.sync(buffer, sync.write | sync.end), 'OK(0)'],
  ['SYNC START RW', () => raw.sync(buffer, sync.both), 'OK(0)'],
  ['SYNC START RW nested', () => raw.sync(buffer, sync.both), 'OK(0)'],
  ['SYNC END RW', () => raw.sync(buffer, sync.both | sync.end), 'OK(0)'],
  ['SYNC END RW twice', () => raw.sync(buffer, sync.both | sync.end), 'OK(0)'],
  ['SYNC NULL', () => raw.call(buffer, 'DMA_BUF_IOCTL_SYNC', 0), 'EFAULT'],
  ['SYNC on memfd', () => raw.sync(memfd, sync.both), 'ENOTTY'],
  ['SET_NAME 31 chars', () => raw.setName(buffer, 'n'.repeat(31)), 'OK(0)'],
  ['SET_NAME 32 chars', () => raw.setName(buffer, 'n'.repeat(32)), 'EINVAL'],
  ['SET_NAME again', () => raw.setName(buffer, 'cap0'), 'OK(0)'],
  [
    'fdinfo',
    () => Object.keys(raw.info(buffer)).join(' '),
    'OK(pos flags mnt_id ino size count exp_name name)',
  ],
  ['fdinfo exp_name', () => raw.info(buffer).exp_name, 'OK(udmabuf)'],
  ['fdinfo name', () => raw.info(buffer).name, 'OK(cap0)'],
  ['link', () => raw.link(buffer), 'OK(/dmabuf:cap0)'],
  ['EXPORT_SYNC_FILE flags=0', () => raw.exportSyncFile(buffer, 0), 'EINVAL'],
  [
    'EXPORT_SYNC_FILE READ',
    () => {
      syncFile = raw.exportSyncFile(buffer, sync.read)
    },
    'OK(0)',
  ],
  ['IMPORT_SYNC_FILE WRITE', () => raw.importSyncFile(buffer, sync.write, syncFile), 'OK(0)'],
  ['IMPORT_SYNC_FILE not a sync_file', () => raw.importSyncFile(buffer, sync.write, memfd), 'EINVAL'],
  ['unknown dma-buf ioctl', () => kernel.ioctl(buffer, 0x4008_620f, struct(0n)), 'ENOTTY'],
])

it('poll(sync_file), poll(dmabuf)=1 revents=0x5', async () => {
  expect(await kernel.poll(syncFile, POLLIN)).toBe(POLLIN)
  expect(await kernel.poll(buffer, POLLIN | POLLOUT)).toBe(5)
})

table('what becomes of the memfd', [
  ['add F_SEAL_WRITE while udmabuf alive+mapped', () => kernel.addSeals(memfd, F_SEAL_WRITE), 'EBUSY'],
  [
    'after close(fd) mapping still usable',
    () => {
      kernel.close(buffer)
      mapping.bytes[3] = 7
      return mapping.bytes[3]
    },
    'OK(7)',
  ],
  [
    'add F_SEAL_WRITE, only udmabuf pins',
    () => {
      buffer = raw.create(udmabuf, [memfd, 0, page])
      mapping.close()
      kernel.addSeals(memfd, F_SEAL_WRITE)
    },
    'EBUSY',
  ],
  ['add F_SEAL_FUTURE_WRITE', () => kernel.addSeals(memfd, F_SEAL_FUTURE_WRITE), 'OK(0)'],
  [
    'memfd reopened O_RDONLY',
    () => {
      const own = kernel.memfd('again', { byteLength: page })
      create([kernel.open(`/proc/self/fd/${own}`, O_RDONLY), 0, page])
    },
    'OK(0)',
  ],
])

describe('huge pages', () => {
  const huge = kernel.memfd('huge', { byteLength: 4 * MiB, hugePageSize: 2 * MiB })

  it('udmabuf on hugetlb: off=4K size=8K, and its coherence', () => {
    const part = raw.create(udmabuf, [huge, page, 2 * page])
    using own = kernel.mmap(huge, { byteLength: 4 * MiB })
    using view = kernel.mmap(part, { byteLength: 2 * page })
    own.bytes[page] = 5
    expect(view.bytes[0]).toBe(5)
    kernel.close(part)
  })

  it('udmabuf on hugetlb 4MiB', () => {
    expect(outcome(() => create([huge, 0, 4 * MiB]))).toBe('OK(0)')
  })
})
