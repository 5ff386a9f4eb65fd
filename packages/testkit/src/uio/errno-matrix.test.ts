import { O_RDONLY, O_RDWR, POLLIN, POLLOUT, POLLPRI, type RegisterWindow } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { rawConfig, rawUio } from '../fixtures/raw-uio'
import { createFakeMachine } from '../machine'
import { EduDevice } from '../models/edu'

/*
 * Each row is a line of the recording of a live Linux 6.12 (uio-edu.txt), in its order and with its answer. What cannot
 * be asked through `Kernel`, which has neither private mappings nor lseek, is left out.
 */
const MiB = 0x100000
const page = 4096
const address = '0000:00:02.0'

const machine = createFakeMachine({ iommu: 'off' })
machine.addDevice(new EduDevice(), { address, driver: null })
const { kernel } = machine
const { open, read, write, text } = rawUio(kernel)
const config = rawConfig(kernel, address)
const folder = `/sys/bus/pci/devices/${address}`

let fd = -1
let second = -1
let registers: RegisterWindow

const map = (byteLength: number, position = 0) => kernel.mapRegisters(fd, { byteLength, position })
const readBytes = (count: number) => () => kernel.read(fd, new Uint8Array(count))
const writeBytes = (count: number) => () => kernel.write(fd, new Uint8Array(count))
const command = () => config.read(4).toString(16).padStart(4, '0')
const poll = (events = POLLIN) => kernel.poll(fd, events)

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

table('binding', [
  [
    'bind',
    () => {
      kernel.writeText(`${folder}/driver_override`, 'uio_pci_generic')
      const probe = kernel.open('/sys/bus/pci/drivers_probe', 1)
      const written = kernel.write(probe, new TextEncoder().encode(address))
      kernel.close(probe)
      return written
    },
    'OK(12)',
  ],
  ['name', () => text('name'), 'OK(uio_pci_generic)'],
  ['version', () => text('version'), 'OK(0.01.0)'],
  ['event', () => text('event'), 'OK(0)'],
  ['dev', () => text('dev'), 'OK(252:0)'],
  ['maps/map0/name', () => text('maps/map0/name'), `OK(${address})`],
  ['maps/map0/addr', () => text('maps/map0/addr'), 'OK(0x00000000fe000000)'],
  ['maps/map0/size', () => text('maps/map0/size'), 'OK(0x0000000000100000)'],
  ['maps/map0/offset', () => text('maps/map0/offset'), 'OK(0x0)'],
  ['maps/map1/addr', () => text('maps/map1/addr'), 'ENOENT'],
  ['portio, which there is none of', () => text('portio/port0/name'), 'ENOENT'],
  ['PCI_COMMAND=0103', command, 'OK(0103)'],
  [
    'open',
    () => {
      fd = open()
    },
    'OK(0)',
  ],
])

table('mapping', [
  [
    'mmap size 1MiB off 0',
    () => {
      registers = map(MiB)
    },
    'OK(0)',
  ],
  ['mmap size 1MiB+4K', () => map(MiB + page), 'EINVAL'],
  ['mmap off=1 page (map1)', () => map(page, page), 'EINVAL'],
  ['mmap off=5 pages', () => map(page, 5 * page), 'EINVAL'],
  ['mmap 100 bytes', () => map(100).close(), 'OK(0)'],
  ['mmap as memory, too long', () => kernel.mmap(fd, { byteLength: MiB + 1 }), 'EINVAL'],
  ['mmap as memory, which the fake refuses', () => kernel.mmap(fd, { byteLength: MiB }), 'DMA_NOT_MEMORY'],
  [
    'mmap of a descriptor for reading, to write',
    () => {
      const readOnly = open(0, O_RDONLY)
      try {
        return kernel.mapRegisters(readOnly, { byteLength: page })
      } finally {
        kernel.close(readOnly)
      }
    },
    'EACCES',
  ],
])

table('reading and writing', [
  ['read 8', readBytes(8), 'EINVAL'],
  ['read 4 nonblock no irq', readBytes(4), 'EAGAIN'],
  ['write 4 (1)', () => write(fd, 1), 'ENOSYS'],
  ['write 1', writeBytes(1), 'EINVAL'],
  ['ioctl', () => kernel.ioctl(fd, 0x1234), 'ENOTTY'],
  ['id', () => registers.read32(0).toString(16), 'OK(10000ed)'],
  ['u64@0x80', () => registers.read64(0x80), 'OK(0)'],
  ['u8@0', () => registers.read8(0), 'OK(0)'],
  ['u64@0', () => registers.read64(0).toString(16), 'OK(ffffffffffffffff)'],
])

describe('interrupts', () => {
  it('poll: nothing, then after INTx raise revents=1', async () => {
    const ended = AbortSignal.timeout(0)
    await expect(kernel.poll(fd, POLLIN, { signal: ended })).rejects.toThrow()
    registers.write32(0x60, 0x2a)
    expect(await poll()).toBe(1)
  })

  table('the flow', [
    ['read', () => read(fd), 'OK(1)'],
    ['irq_status=2a', () => registers.read32(0x24).toString(16), 'OK(2a)'],
    ['PCI_COMMAND=0503 (bit10 INTX_DISABLE set by kernel)', command, 'OK(0503)'],
    ['PCI_STATUS bit 3: the line is up', () => config.read(6) & 8, 'OK(8)'],
    ['read, INTx still masked', () => read(fd), 'EAGAIN'],
    [
      'a second interrupt while masked is not counted',
      () => {
        registers.write32(0x60, 1)
        return read(fd)
      },
      'EAGAIN',
    ],
    [
      'read after unmask with irq still asserted',
      () => {
        config.write(4, 0x0103)
        return read(fd)
      },
      'OK(2)',
    ],
    [
      'quiet once it is acknowledged',
      () => {
        registers.write32(0x64, 0xffff_ffff)
        config.write(4, 0x0103)
        return read(fd)
      },
      'EAGAIN',
    ],
    ['PCI_STATUS bit 3: the line is down', () => config.read(6) & 8, 'OK(0)'],
    ['event', () => text('event'), 'OK(2)'],
  ])
})

table('a second open', [
  [
    'bus master on',
    () => {
      config.write(4, 0x0107)
      return command()
    },
    'OK(0107)',
  ],
  [
    'second open',
    () => {
      second = open()
    },
    'OK(0)',
  ],
  ['sees no old interrupt', () => read(second), 'EAGAIN'],
  [
    'after closing 2nd fd: bus master cleared while 1st fd open',
    () => {
      kernel.close(second)
      return command()
    },
    'OK(0103)',
  ],
])

table('resource0', [
  [
    'resource0 id, read(resource0)',
    () => {
      const file = kernel.open(`${folder}/resource0`, O_RDWR)
      const window = kernel.mapRegisters(file, { byteLength: page })
      expect(window.read32(0)).toBe(0x010000ed)
      window.close()
      try {
        return kernel.read(file, new Uint8Array(4))
      } finally {
        kernel.close(file)
      }
    },
    'EIO',
  ],
])

describe('unbind with fd open', () => {
  table('system calls', [
    ['unbind', () => kernel.writeText(`${folder}/driver/unbind`, address), 'OK(0)'],
    ['read after unbind', readBytes(4), 'EIO'],
    ['read 8 after unbind', readBytes(8), 'EINVAL'],
    ['write after unbind', writeBytes(4), 'EINVAL'],
    ['mmap after unbind', () => map(page), 'EINVAL'],
    ['the registers that were mapped', () => registers.read32(0).toString(16), 'OK(10000ed)'],
    ['the node', () => open(), 'ENOENT'],
    ['sysfs', () => text('name'), 'ENOENT'],
    ['bus master stays off, and close does nothing', command, 'OK(0103)'],
  ])

  it('poll after unbind: revents=19', async () => {
    expect(await poll()).toBe(0x19)
    expect(await poll(POLLOUT)).toBe(0x18)
    expect(await poll(POLLIN | POLLPRI)).toBe(0x1b)
  })

  it('leaves nothing', () => {
    registers.close()
    kernel.close(fd)
    machine.assertQuiescent()
  })
})
