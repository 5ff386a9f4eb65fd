import { F_SEAL_WRITE, type MemoryMapping, O_RDWR, type RegisterWindow } from '@linux-dma/native'
import { beforeAll, describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { fields, rawVfio, struct } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'
import { EduDevice } from '../models/edu'

/*
 * Each row is a line of the recording of a live Linux 6.12 (vfio-type1-edu.txt), in its order and with its answer.
 * Four lines cannot be asked through `Kernel`, which has no PROT_NONE, no private mapping, no mapping of registers
 * with an address, and no fork; they are left out: "MAP PROT_NONE", "MAP BAR mmap (P2P)", "MAP private file page
 * RW", and the two of fork.
 */
const page = 4096
const MiB = 1n << 20n
const config = 7 * 2 ** 40
const address = '0000:00:02.0'

const machine = createFakeMachine()
machine.addDevice(new EduDevice(), { address, group: 2, driver: null })
const { kernel } = machine
const { call, map, unmap, setIrqs, text } = rawVfio(kernel)

let container = -1
let container2 = -1
let group = -1
let device = -1
let memory: MemoryMapping
let readOnly: MemoryMapping
let memoryFd = -1
let registers: RegisterWindow
let eventfd = -1
const counter = new Uint8Array(8)

const extension = (number: number) => () => call(container, 'VFIO_CHECK_EXTENSION', number)
const doMap =
  (vaddr: () => number | bigint, iova: bigint, size: bigint, flags = 3, argsz = 32) =>
  () =>
    map(container, vaddr(), iova, size, flags, argsz)
const doUnmap =
  (iova: bigint, size: bigint, flags = 0) =>
  () =>
    unmap(container, iova, size, flags)
const at = () => memory.address
const irqInfo = (index: number) => () => {
  const argument = struct(16, 0, index, 0)
  call(device, 'VFIO_DEVICE_GET_IRQ_INFO', argument)
  const info = fields(argument)
  return `count=${info.u32(12)} flags=${info.u32(4)}`
}
const regionInfo = (index: number) => () => {
  const argument = struct(32, 0, index, 0, 0n, 0n)
  call(device, 'VFIO_DEVICE_GET_REGION_INFO', argument)
  const info = fields(argument)
  return `size=${info.u64(16).toString(16)} off=${info.u64(24).toString(16)} flags=${info.u32(4)}`
}

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

table('binding and opening', [
  [
    'bind vfio-pci',
    () => {
      kernel.writeText(`/sys/bus/pci/devices/${address}/driver_override`, 'vfio-pci')
      const fd = kernel.open('/sys/bus/pci/drivers_probe', 1)
      const written = kernel.write(fd, new TextEncoder().encode(address))
      kernel.close(fd)
      return written
    },
    'OK(12)',
  ],
  [
    'open container',
    () => {
      container = kernel.open('/dev/vfio/vfio', O_RDWR)
    },
    'OK(0)',
  ],
  [
    'open group',
    () => {
      group = kernel.open('/dev/vfio/2', O_RDWR)
    },
    'OK(0)',
  ],
  ['open group twice', () => kernel.open('/dev/vfio/2', O_RDWR), 'EBUSY'],
  ['API version', () => call(container, 'VFIO_GET_API_VERSION'), 'OK(0)'],
  ...[1, 0, 1, 0, 0, 1, 0, 0, 1, 0].map(
    (answer, index): Row => [`ext ${index + 1}=${answer}`, extension(index + 1), `OK(${answer})`],
  ),
])

table('the order in which things have to happen', [
  ['MAP before SET_CONTAINER/SET_IOMMU', () => map(container, 0x1000, 0n, 0x1000n), 'EINVAL'],
  ['SET_IOMMU before group', () => call(container, 'VFIO_SET_IOMMU', 3), 'EINVAL'],
  ['GET_DEVICE_FD before container', () => call(group, 'VFIO_GROUP_GET_DEVICE_FD', text(address)), 'EINVAL'],
  [
    'group flags 1',
    () => {
      const status = struct(8, 0)
      call(group, 'VFIO_GROUP_GET_STATUS', status)
      return fields(status).u32(4)
    },
    'OK(1)',
  ],
  ['SET_CONTAINER', () => call(group, 'VFIO_GROUP_SET_CONTAINER', struct(container)), 'OK(0)'],
  ['SET_IOMMU bogus 99', () => call(container, 'VFIO_SET_IOMMU', 99), 'ENODEV'],
  ['SET_IOMMU type1v2', () => call(container, 'VFIO_SET_IOMMU', 3), 'OK(0)'],
  ['SET_IOMMU noiommu(8)', () => call(container, 'VFIO_SET_IOMMU', 8), 'EINVAL'],
])

describe('IOMMU_GET_INFO', () => {
  const info = new Uint8Array(4096)
  const read = fields(info)

  beforeAll(() => {
    info.set(struct(4096))
    call(container, 'VFIO_IOMMU_GET_INFO', info)
  })

  it('flags=3 pgsizes=40201000 argsz=4096 cap=24', () => {
    expect([read.u32(4), read.u64(8), read.u32(0), read.u32(16)]).toEqual([3, 0x40201000n, 4096, 24])
  })

  it('capabilities 2, 3, 1 in that order, with their contents', () => {
    const migration = 24
    const available = read.u32(migration + 4)
    const ranges = read.u32(available + 4)
    expect([read.u16(migration), read.u16(available), read.u16(ranges), read.u32(ranges + 4)]).toEqual([
      2, 3, 1, 0,
    ])
    expect([migration, available, ranges].map((cap) => read.u16(cap + 2))).toEqual([1, 1, 1])
    expect([read.u64(migration + 16), read.u64(migration + 24)]).toEqual([0x1000n, 0x10000000n])
    expect(read.u32(available + 8)).toBe(65535)
    expect(read.u32(ranges + 8)).toBe(2)
    expect([16, 24, 32, 40].map((field) => read.u64(ranges + field))).toEqual([
      0n,
      0xfedfffffn,
      0xfef00000n,
      0x7fffffffffn,
    ])
  })
})

table('the device', [
  ['GET_DEVICE_FD wrong name', () => call(group, 'VFIO_GROUP_GET_DEVICE_FD', text('0000:09:09.0')), 'ENODEV'],
  [
    'GET_DEVICE_FD',
    () => {
      device = call(group, 'VFIO_GROUP_GET_DEVICE_FD', text(address))
    },
    'OK(0)',
  ],
  [
    'DEVICE_GET_INFO flags=2 regions=9 irqs=5',
    () => {
      const info = struct(16, 0, 0, 0)
      call(device, 'VFIO_DEVICE_GET_INFO', info)
      return [4, 8, 12].map((field) => fields(info).u32(field))
    },
    'OK(2,9,5)',
  ],
  ['region 0', regionInfo(0), 'OK(size=100000 off=0 flags=7)'],
  ['region 1, which the recording does not list: empty', regionInfo(1), 'OK(size=0 off=10000000000 flags=0)'],
  ['region 7', regionInfo(7), 'OK(size=100 off=70000000000 flags=3)'],
  ['region 8, which the recording does not list: no VGA', regionInfo(8), 'EINVAL'],
  ['irq 0', irqInfo(0), 'OK(count=1 flags=7)'],
  ['irq 1', irqInfo(1), 'OK(count=1 flags=9)'],
  ['irq 2', irqInfo(2), 'OK(count=0 flags=9)'],
  ['irq 3, which the recording does not list', irqInfo(3), 'EINVAL'],
  ['irq 4', irqInfo(4), 'OK(count=1 flags=9)'],
  [
    'PCI_COMMAND=0103',
    () => {
      const bytes = new Uint8Array(2)
      kernel.read(device, bytes, config + 4)
      return fields(bytes).u16(0).toString(16)
    },
    'OK(103)',
  ],
  [
    'id=010000ed, through a mapping',
    () => {
      registers = kernel.mapRegisters(device, { byteLength: 0x100000 })
      return registers.read32(0).toString(16)
    },
    'OK(10000ed)',
  ],
  [
    'pread BAR0 4',
    () => {
      const bytes = new Uint8Array(4)
      const count = kernel.read(device, bytes, 0)
      return `${count} =${fields(bytes).u32(0).toString(16)}`
    },
    'OK(4 =10000ed)',
  ],
])

describe('mapping', () => {
  beforeAll(() => {
    memoryFd = kernel.memfd('matrix', { byteLength: 256 * page })
    memory = kernel.mmap(memoryFd, { byteLength: 256 * page })
    readOnly = kernel.mmap(memoryFd, { byteLength: page, access: 'read' })
  })

  const size = BigInt(16 * page)
  table('MAP_DMA', [
    ['MAP ok 16 pages @1MiB', doMap(at, MiB, size), 'OK(0)'],
    ['MAP same again', doMap(at, MiB, size), 'EEXIST'],
    ['MAP overlap tail', doMap(at, MiB + size - 0x1000n, size), 'EEXIST'],
    ['MAP same vaddr other iova (alias)', doMap(at, 2n * MiB, size), 'OK(0)'],
    ['MAP iova unaligned', doMap(at, 3n * MiB + 1n, size), 'EINVAL'],
    ['MAP vaddr unaligned', doMap(() => at() + 1, 3n * MiB, size), 'EINVAL'],
    ['MAP size unaligned', doMap(at, 3n * MiB, size + 1n), 'EINVAL'],
    ['MAP size 0', doMap(at, 3n * MiB, 0n), 'EINVAL'],
    ['MAP flags 0', doMap(at, 3n * MiB, size, 0), 'EINVAL'],
    ['MAP unknown flag 8', doMap(at, 3n * MiB, size, 8 | 3), 'EINVAL'],
    ['MAP iova wraps', doMap(at, (1n << 64n) - 0x1000n, size), 'EINVAL'],
    ['MAP iova in MSI window 0xfee00000', doMap(at, 0xfee00000n, 0x1000n), 'EINVAL'],
    ['MAP iova above aperture 1<<62', doMap(at, 1n << 62n, 0x1000n), 'EINVAL'],
    ['MAP iova 0', doMap(at, 0n, 0x1000n), 'OK(0)'],
    ['UNMAP iova 0, unmapped=1000', doUnmap(0n, 0x1000n), 'OK(4096)'],
    ['MAP WRITE of PROT_READ page', doMap(() => readOnly.address, 4n * MiB, 0x1000n, 2), 'EFAULT'],
    ['MAP READ of PROT_READ page', doMap(() => readOnly.address, 4n * MiB, 0x1000n, 1), 'OK(0)'],
    ['MAP unmapped vaddr', doMap(() => 0x1000, 5n * MiB, 0x1000n), 'EFAULT'],
    ['MAP argsz 8', doMap(at, 5n * MiB, 0x1000n, 3, 8), 'EINVAL'],
    ['MAP NULL', () => call(container, 'VFIO_IOMMU_MAP_DMA', 0), 'EFAULT'],
    ['MAP memfd mapping', doMap(at, 6n * MiB, 0x1000n), 'OK(0)'],
  ])

  it('MAP udmabuf mapping directly', () => {
    const udmabuf = kernel.open('/dev/udmabuf', O_RDWR)
    const buffer = kernel.ioctl(udmabuf, 0x40187542, struct(memoryFd, 0, 0n, 0x1000n))
    const mapping = kernel.mmap(buffer, { byteLength: page })
    expect(outcome(doMap(() => mapping.address, 7n * MiB, 0x1000n))).toBe('EFAULT')
    mapping.close()
    kernel.close(buffer)
    kernel.close(udmabuf)
  })

  it('F_SEAL_WRITE while vfio-mapped', () => {
    const fd = kernel.memfd('sealed', { byteLength: page })
    const mapping = kernel.mmap(fd, { byteLength: page })
    map(container, mapping.address, 7n * MiB, 0x1000n)
    mapping.close()
    expect(outcome(() => kernel.addSeals(fd, F_SEAL_WRITE))).toBe('EBUSY')
    unmap(container, 7n * MiB, 0x1000n)
    expect(outcome(() => kernel.addSeals(fd, F_SEAL_WRITE))).toBe('OK(0)')
    kernel.close(fd)
  })

  table('UNMAP_DMA', [
    ['UNMAP first half of a mapping (v2)', doUnmap(MiB, size / 2n), 'EINVAL'],
    ['UNMAP superset incl. 2 mappings, unmapped=20000', doUnmap(0n, 3n * MiB), `OK(${0x20000})`],
    ['UNMAP nothing there, unmapped=0', doUnmap(MiB, size), 'OK(0)'],
    ['UNMAP size 0', doUnmap(MiB, 0n), 'EINVAL'],
    ['UNMAP unaligned', doUnmap(MiB + 1n, size), 'EINVAL'],
    ['UNMAP ALL with iova!=0', doUnmap(MiB, 0n, 2), 'EINVAL'],
    ['UNMAP ALL', doUnmap(0n, 0n, 2), `OK(${2 * page})`],
    ['UNMAP ALL empty', doUnmap(0n, 0n, 2), 'OK(0)'],
    ['MAP for dma', doMap(at, MiB, size), 'OK(0)'],
  ])
})

describe('interrupts and dirty pages', () => {
  const raise = () => registers.write32(0x60, 0x11)
  const acknowledge = () => registers.write32(0x64, 0x11)

  beforeAll(() => {
    eventfd = kernel.eventfd()
    kernel.write(device, new Uint8Array([0x07, 0x01]), config + 4)
  })

  table('SET_IRQS', [
    ['SET_IRQS MSI', () => setIrqs(device, 0x24, 1, 0, 1, eventfd), 'OK(0)'],
    [
      'read eventfd after raise, ev=1 status=11',
      () => {
        raise()
        const count = kernel.read(eventfd, counter)
        return `${count} ev=${counter[0]} status=${registers.read32(0x24).toString(16)}`
      },
      'OK(8 ev=1 status=11)',
    ],
    ['SET_IRQS MSI count 2 (device has 1)', () => setIrqs(device, 0x24, 1, 0, 2, eventfd, eventfd), 'EINVAL'],
    ['SET_IRQS disable', () => setIrqs(device, 0x21, 1, 0, 0), 'OK(0)'],
    [
      'SET_IRQS INTx',
      () => {
        acknowledge()
        return setIrqs(device, 0x24, 0, 0, 1, eventfd)
      },
      'OK(0)',
    ],
    [
      'read eventfd INTx',
      () => {
        raise()
        return kernel.read(eventfd, counter)
      },
      'OK(8)',
    ],
    [
      'read eventfd INTx again w/o unmask (automasked)',
      () => {
        acknowledge()
        raise()
        return kernel.read(eventfd, counter)
      },
      'EAGAIN',
    ],
    [
      'UNMASK',
      () => {
        acknowledge()
        return setIrqs(device, 0x11, 0, 0, 1)
      },
      'OK(0)',
    ],
  ])

  const dirty = (flags: number) => () => call(container, 'VFIO_IOMMU_DIRTY_PAGES', struct(8, flags))
  table('DIRTY_PAGES', [
    ['DIRTY START', dirty(1), 'OK(0)'],
    [
      'DIRTY GET, bitmap=ffff (no hw tracking => all pages)',
      () => {
        using bitmap = kernel.mmap(memoryFd, { byteLength: page, position: 200 * page })
        const range = struct(48, 4, MiB, BigInt(16 * page), BigInt(page), 8n, BigInt(bitmap.address))
        call(container, 'VFIO_IOMMU_DIRTY_PAGES', range)
        return fields(bitmap.bytes).u64(0).toString(16)
      },
      'OK(ffff)',
    ],
    ['DIRTY STOP', dirty(2), 'OK(0)'],
    ['UNMAP, unmapped=10000', doUnmap(MiB, BigInt(16 * page)), `OK(${0x10000})`],
  ])
})

table('the end', [
  ['DEVICE_RESET', () => call(device, 'VFIO_DEVICE_RESET'), 'EINVAL'],
  [
    'SET_CONTAINER 2nd container while attached',
    () => {
      container2 = kernel.open('/dev/vfio/vfio', O_RDWR)
      return call(group, 'VFIO_GROUP_SET_CONTAINER', struct(container2))
    },
    'EINVAL',
  ],
  ['UNSET_CONTAINER with device fd open', () => call(group, 'VFIO_GROUP_UNSET_CONTAINER'), 'EBUSY'],
  [
    'UNSET_CONTAINER after close (the registers are still mapped)',
    () => {
      kernel.close(device)
      return call(group, 'VFIO_GROUP_UNSET_CONTAINER')
    },
    'EBUSY',
  ],
  ['SET_CONTAINER c2', () => call(group, 'VFIO_GROUP_SET_CONTAINER', struct(container2)), 'EINVAL'],
  ['SET_IOMMU type1 (v1)', () => call(container2, 'VFIO_SET_IOMMU', 1), 'EINVAL'],
  ['dma_entry_limit=100: mapped 0 then EINVAL', () => map(container2, 0x1000, 0n, 0x1000n), 'EINVAL'],
  ['type1 v1: UNMAP all via range', () => unmap(container2, 0n, 1n << 40n), 'EINVAL'],
  [
    'UNSET_CONTAINER once the mapping is gone',
    () => {
      registers.close()
      return call(group, 'VFIO_GROUP_UNSET_CONTAINER')
    },
    'OK(0)',
  ],
])

describe('uid 1000, memlock 64K', () => {
  const user = createFakeMachine({ uid: 1000, memlockLimit: 65536 })
  user.addDevice(new EduDevice(), { address })
  user.chown(user.groupNode(address), 1000)
  const calls = rawVfio(user.kernel)
  let userContainer = -1
  let buffer: MemoryMapping

  beforeAll(() => {
    userContainer = user.kernel.open('/dev/vfio/vfio', O_RDWR)
    const userGroup = user.kernel.open(user.groupNode(address), O_RDWR)
    calls.call(userGroup, 'VFIO_GROUP_SET_CONTAINER', struct(userContainer))
    calls.call(userContainer, 'VFIO_SET_IOMMU', 3)
    buffer = user.kernel.mmap(user.kernel.memfd('user', { byteLength: 32 * page }), { byteLength: 32 * page })
  })

  it('MAP 16 pages', () => {
    expect(outcome(() => calls.map(userContainer, buffer.address, MiB, 0x10000n))).toBe('OK(0)')
  })

  it('MAP 17th page', () => {
    const seventeenth = () => calls.map(userContainer, buffer.address + 0x10000, 2n * MiB, 0x1000n)
    expect(outcome(seventeenth)).toBe('ENOMEM')
  })

  it('UNMAP all, unmapped=10000', () => {
    expect(outcome(() => calls.unmap(userContainer, 0n, 0n, 2))).toBe(`OK(${0x10000})`)
  })
})
