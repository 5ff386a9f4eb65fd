import { allocateDmaMemory } from '@linux-dma/core'
import { createFakeMachine, type FakeMachine } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import {
  allocateFromHeap,
  createUdmabuf,
  type DmaBuf,
  DmaBufBudget,
  dmaBufGet,
  dmaBufOfProcess,
  exportDmaBuf,
  importDmaBuf,
  receiveDmaBuf,
  sendDmaBuf,
} from './index'

/** Whatever a call here may need of the kernel, but close(2), which closes also where it fails. */
const SYSCALLS = [
  'open',
  'read',
  'pread',
  'readlink',
  'memfd_create',
  'fcntl(F_ADD_SEALS)',
  'fcntl(F_GET_SEALS)',
  'fcntl(F_DUPFD_CLOEXEC)',
  'mmap',
  'poll',
  'sendmsg',
  'recvmsg',
  'pidfd_open',
  'pidfd_getfd',
  'ioctl(UDMABUF_CREATE)',
  'ioctl(UDMABUF_CREATE_LIST)',
  'ioctl(DMA_HEAP_IOCTL_ALLOC)',
  'ioctl(DMA_BUF_SET_NAME)',
  'ioctl(DMA_BUF_IOCTL_SYNC)',
  'ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE)',
  'ioctl(DMA_BUF_IOCTL_IMPORT_SYNC_FILE)',
  'ioctl(SYNC_IOC_MERGE)',
]

const page = 4096
const budget = new DmaBufBudget(1024 * 1024)

/** What an operation needs made beforehand. */
interface Stage {
  readonly machine: FakeMachine
  readonly kernel: FakeMachine['kernel']
  /** A buffer of new memory. */
  readonly buffer: DmaBuf
}

type Made = { close(): void } | readonly { close(): void }[] | undefined

interface Operation {
  readonly name: string
  readonly run: (stage: Stage) => Made | Promise<Made>
  /** How often it makes which system call. */
  readonly calls: Readonly<Record<string, number>>
}

const operations: readonly Operation[] = [
  {
    name: 'createUdmabuf({ size })',
    run: ({ kernel }) => createUdmabuf({ size: page, name: 'x', budget, kernel }),
    calls: { open: 1, memfd_create: 1, 'ioctl(UDMABUF_CREATE)': 1, 'ioctl(DMA_BUF_SET_NAME)': 1 },
  },
  {
    name: 'createUdmabuf({ size, hugePageSize })',
    run: ({ kernel }) => createUdmabuf({ size: page, hugePageSize: 0x20_0000, kernel }),
    calls: { open: 1, memfd_create: 1, mmap: 1, 'ioctl(UDMABUF_CREATE)': 1 },
  },
  {
    name: 'createUdmabuf({ memory })',
    run: ({ kernel }) => {
      const memory = allocateDmaMemory({ byteLength: page, kernel })
      try {
        return createUdmabuf({ memory, budget })
      } finally {
        expect(memory.dmaBufs.size).toBe(budget.used / page)
        memory.close()
      }
    },
    calls: { memfd_create: 1, mmap: 1, open: 1, 'ioctl(UDMABUF_CREATE)': 1, 'fcntl(F_ADD_SEALS)': 1 },
  },
  {
    name: 'createUdmabuf({ list })',
    run: ({ kernel }) => {
      const fd = kernel.memfd('x', { byteLength: 3 * page })
      const piece = { fd, size: page }
      try {
        return createUdmabuf({ list: [piece, piece], name: 'x', seal: true, budget, kernel })
      } finally {
        kernel.close(fd)
      }
    },
    calls: {
      memfd_create: 1,
      open: 2,
      'fcntl(F_GET_SEALS)': 2,
      pread: 1,
      'ioctl(UDMABUF_CREATE_LIST)': 1,
      'fcntl(F_ADD_SEALS)': 1,
      'ioctl(DMA_BUF_SET_NAME)': 1,
    },
  },
  {
    name: 'allocateFromHeap',
    run: ({ kernel }) => allocateFromHeap('system', 2 * 1024 * 1024, { name: 'x', kernel }),
    calls: { open: 1, 'ioctl(DMA_HEAP_IOCTL_ALLOC)': 1, 'ioctl(DMA_BUF_SET_NAME)': 1 },
  },
  {
    name: 'cpuAccess',
    run: ({ buffer }) => {
      buffer.cpuAccess('read', () => undefined)
      return buffer.map()
    },
    calls: { 'ioctl(DMA_BUF_IOCTL_SYNC)': 2, mmap: 2 },
  },
  {
    name: 'dmaBufGet',
    run: ({ kernel, buffer }) => dmaBufGet(buffer.fd, { kernel }),
    calls: { open: 1, 'fcntl(F_DUPFD_CLOEXEC)': 1 },
  },
  {
    name: 'duplicate',
    run: ({ buffer }) => buffer.duplicate(),
    calls: { 'fcntl(F_DUPFD_CLOEXEC)': 1 },
  },
  {
    name: 'exportDmaBuf, importDmaBuf',
    run: ({ kernel, buffer }) => importDmaBuf(exportDmaBuf(buffer), { kernel }),
    calls: { open: 2, 'fcntl(F_DUPFD_CLOEXEC)': 1 },
  },
  {
    name: 'dmaBufOfProcess',
    run: ({ kernel, buffer }) => {
      const pid = Number(/^Pid:\s+(\d+)$/m.exec(kernel.readText('/proc/self/status'))?.[1])
      return dmaBufOfProcess(pid, buffer.fd, { kernel })
    },
    calls: { open: 2, pidfd_open: 1, pidfd_getfd: 1 },
  },
  {
    name: 'exportSyncFile, merge, importSyncFile',
    run: ({ buffer }) => {
      const file = buffer.exportSyncFile('read')
      try {
        const merged = file.merge(file)
        try {
          buffer.importSyncFile(merged, 'write')
          return merged
        } catch (error) {
          merged.close()
          throw error
        }
      } finally {
        file.close()
      }
    },
    calls: {
      'ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE)': 1,
      'ioctl(SYNC_IOC_MERGE)': 1,
      'ioctl(DMA_BUF_IOCTL_IMPORT_SYNC_FILE)': 1,
    },
  },
  {
    name: 'waitForCpuAccess, twice at once',
    run: async ({ buffer }) => {
      const waits = [buffer.waitForCpuAccess('read'), buffer.waitForCpuAccess('read')]
      const [first, second] = await Promise.allSettled(waits)
      for (const wait of [first!, second!]) if (wait.status === 'rejected') throw wait.reason
      return undefined
    },
    calls: { poll: 1 },
  },
  {
    name: 'sendDmaBuf, receiveDmaBuf',
    run: async ({ kernel, buffer }) => {
      const sockets = kernel.socketPair()
      try {
        const received = receiveDmaBuf(sockets[1], { kernel })
        const settled = Promise.allSettled([received])
        await sendDmaBuf(sockets[0], [buffer, buffer]).catch(async (error) => {
          kernel.sendMessage(sockets[0], Uint8Array.of(1))
          await settled
          throw error
        })
        return (await received)!.buffers
      } finally {
        for (const socket of sockets) kernel.close(socket)
      }
    },
    calls: { sendmsg: 1, recvmsg: 2, poll: 1, open: 2 },
  },
]

/** Runs an operation on a new machine whose `nth` call of that name fails. @returns the error; undefined where it went through */
async function attempt({ run }: Operation, syscall: string, nth: number): Promise<unknown> {
  const machine = createFakeMachine({ hugePages: 2 })
  const { kernel } = machine
  const buffer = createUdmabuf({ size: page, kernel })
  const before = kernel.live()
  machine.failCall({ syscall, nth, code: 'EIO' })
  let failure: unknown
  try {
    const made = await run({ machine, kernel, buffer })
    for (const one of [made ?? []].flat() as { close(): void }[]) one.close()
  } catch (error) {
    failure = error
  }
  const left = kernel.live()
  // What cpuAccess() maps stays mapped for the next one.
  buffer.close()
  expect([left.descriptors, left.watches], `${syscall} ${nth}`).toEqual([before.descriptors, before.watches])
  expect(budget.used).toBe(0)
  machine.assertQuiescent()
  return failure
}

it.each(operations)('$name leaves nothing, whichever of its calls fails', async (operation) => {
  const calls: Record<string, number> = {}
  for (const syscall of SYSCALLS) {
    for (let nth = 1; ; nth++) {
      const failure = await attempt(operation, syscall, nth)
      if (failure === undefined) break
      expect(failure).toMatchObject({ code: 'EIO', syscall })
      calls[syscall] = nth
    }
  }
  expect(calls).toEqual(operation.calls)
})

it('no descriptor is left when there is room for some of a message’s alone', async () => {
  const machine = createFakeMachine()
  const { kernel } = machine
  const sockets = kernel.socketPair()
  const buffer = createUdmabuf({ size: page, kernel })
  await sendDmaBuf(sockets[0], [buffer, buffer, buffer])
  const before = kernel.live()
  // Two numbers are free below it.
  const open = new Set(kernel.list('/proc/self/fd').map(Number))
  let limit = 0
  for (let free = 0; free < 2; limit++) if (!open.has(limit)) free++
  machine.setOpenFileLimit(limit)
  await expect(receiveDmaBuf(sockets[1], { kernel })).rejects.toMatchObject({ code: 'EMFILE' })
  expect(kernel.live()).toEqual(before)
  machine.setOpenFileLimit(1024)
  for (const socket of sockets) kernel.close(socket)
  buffer.close()
  machine.assertQuiescent()
})
