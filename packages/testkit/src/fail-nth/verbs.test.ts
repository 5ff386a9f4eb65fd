import { type Kernel, O_RDWR } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { isErrnoName } from '../errors'
import { FakeKernel } from '../kernel/fake-kernel'
import { createFakeMachine } from '../machine'
import type { FakeMachineCore } from '../machine-core'
import { linuxErrnos } from './errnos'
import { isMeant, syscallsOf } from './verbs'

/** What a verb is called with here: whether it succeeds is another matter, as long as its system calls are made. */
const uses: { [Verb in keyof typeof syscallsOf]: (kernel: Kernel, fd: number) => unknown } = {
  open: (kernel) => kernel.open('/dev/vfio/vfio', O_RDWR),
  close: (kernel, fd) => kernel.close(fd),
  duplicate: (kernel, fd) => kernel.duplicate(fd),
  read(kernel, fd) {
    kernel.read(kernel.eventfd(1), new Uint8Array(8))
    kernel.read(fd, new Uint8Array(8), 0)
  },
  write(kernel, fd) {
    kernel.write(kernel.eventfd(), new Uint8Array(8))
    kernel.write(fd, new Uint8Array(8), 0)
  },
  ioctl: (kernel, fd) => kernel.ioctl(fd, 1, 0, 'NONE'),
  eventfd: (kernel) => kernel.eventfd(),
  poll: (kernel) => kernel.poll(kernel.eventfd(1), 1),
  watch: (kernel) =>
    new Promise((resolve) => {
      const watch = kernel.watch(kernel.eventfd(1), 8, {
        onCount: (count) => resolve([count, watch.close()]),
        onError: resolve,
      })
    }),
  memfd: (kernel) => kernel.memfd('test', { byteLength: 4096 }),
  addSeals: (kernel, fd) => kernel.addSeals(fd, 4),
  getSeals: (kernel, fd) => kernel.getSeals(fd),
  mmap: (kernel, fd) => kernel.mmap(fd, { byteLength: 4096 }),
  mapRegisters: (kernel, fd) => kernel.mapRegisters(fd, { byteLength: 4096 }),
  mlock: (kernel, fd) => kernel.mlock(kernel.mmap(fd, { byteLength: 4096 })),
  munlock: (kernel, fd) => kernel.munlock(kernel.mmap(fd, { byteLength: 4096 })),
  pin: (kernel, fd) => kernel.pin(kernel.mmap(fd, { byteLength: 4096 })),
  readPagemap: (kernel) => kernel.readPagemap(4096, new BigUint64Array(1)),
  readText: (kernel) => kernel.readText('/proc/self/status'),
  writeText: (kernel) => kernel.writeText('/sys/none', '1'),
  list: (kernel) => kernel.list('/proc'),
  readLink: (kernel) => kernel.readLink('/proc/self'),
  unlink: (kernel) => kernel.unlink('/none'),
  socketPair: (kernel) => kernel.socketPair(),
  listen: (kernel) => kernel.listen('\0here'),
  accept: (kernel) => kernel.accept(kernel.listen('\0here')),
  connect: (kernel) => kernel.connect('\0none'),
  sendMessage: (kernel) => kernel.sendMessage(kernel.socketPair()[0], new Uint8Array(1)),
  receiveMessage: (kernel) => kernel.receiveMessage(kernel.socketPair()[0], new Uint8Array(1)),
  pidfdOpen: (kernel) => kernel.pidfdOpen(1),
  pidfdGetfd: (kernel, fd) => kernel.pidfdGetfd(fd, fd),
}

const quiet = ['constructor', 'warn', 'live']
const verbs = Object.keys(uses) as (keyof typeof uses)[]

it('knows every verb that the kernel has', () => {
  const own = Object.getOwnPropertyNames(FakeKernel.prototype).filter((name) => !quiet.includes(name))
  expect(own.sort()).toEqual([...verbs].sort())
})

it.each(verbs)('has every system call of %s counted, which can thus be made to fail', async (verb) => {
  const machine = createFakeMachine() as FakeMachineCore
  const fd = machine.kernel.memfd('test', { byteLength: 4096 })
  const seen: string[] = []
  machine.faultPlan.observe((syscall) => seen.push(syscall.replace(/\(NONE\)$/, '')))
  try {
    await uses[verb](machine.kernel, fd)
  } catch {}
  expect(seen).toEqual(expect.arrayContaining([...syscallsOf[verb]]))
})

it.each(verbs)('has errnos of Linux for %s that the fake kernel knows', (verb) => {
  for (const syscall of syscallsOf[verb]) {
    const errnos = linuxErrnos({ syscall: syscall === 'ioctl' ? 'ioctl(VFIO_IOMMU_MAP_DMA)' : syscall })
    expect(errnos.filter((code) => !isErrnoName(code))).toEqual([])
    expect(errnos.length > 0).toBe(syscall !== 'close')
    expect(new Set(errnos).size).toBe(errnos.length)
  }
})

it('has the errnos of a file by where it is, and none for what always succeeds', () => {
  expect(linuxErrnos({ syscall: 'open', path: '/dev/vfio/7' })).toContain('EBUSY')
  expect(linuxErrnos({ syscall: 'open', path: '/sys/class/uio/uio0/name' })).toContain('EIO')
  expect(linuxErrnos({ syscall: 'open' })).not.toContain('EBUSY')
  expect(linuxErrnos({ syscall: 'ioctl(MY_DRIVER)' })).toEqual(['ENOTTY'])
  expect(linuxErrnos({ syscall: 'ioctl(VFIO_CHECK_EXTENSION)' })).toEqual([])
})

it('tells verbs from system calls of the same name', () => {
  expect(isMeant('listen', 'bind')).toBe(true)
  expect(isMeant('ioctl', 'ioctl(VFIO_IOMMU_MAP_DMA)')).toBe(true)
  expect(isMeant('ioctl(VFIO_IOMMU_MAP_DMA)', 'ioctl(VFIO_IOMMU_UNMAP_DMA)')).toBe(false)
  expect(isMeant(/_DMA\)$/g, 'ioctl(VFIO_IOMMU_UNMAP_DMA)')).toBe(true)
})
