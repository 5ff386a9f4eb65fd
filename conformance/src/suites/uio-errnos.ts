import assert from 'node:assert/strict'
import { O_NONBLOCK, O_RDWR, POLLERR, POLLHUP, POLLIN, type RegisterWindow } from '@linux-dma/native'
import { bindDriver, PCI_DEVICES } from '@linux-dma/pci'
import type { UioDeviceInfo } from '@linux-dma/uio'
import { EDU_ACKNOWLEDGE, EDU_ID, EDU_INTERRUPT_STATUS, EDU_LIVENESS, EDU_RAISE, settle } from '../edu'
import type { Host, Runner } from '../host'
import { BUS_MASTER, commandOf, INTX_DISABLE, outcome, withUioBound, writeCommand } from '../with-uio'

const MiB = 0x10_0000
/** A register of the edu device that takes 64 bits. */
const DMA_SOURCE = 0x80
/** What EPOLLERR and its like are together with the bit that was asked for. */
const GONE = POLLIN | POLLERR | POLLHUP

/** A UIO device that was opened by hand, and its BAR 0. */
interface Opened {
  readonly fd: number
  readonly registers: RegisterWindow
}

/** BAR and size of each map of the machine's PCI devices. */
function pciMaps({ nvme, kernel }: Host): [address: string, maps: [bar: number, byteLength: number][]][] {
  const find = (id: string) =>
    kernel.list(PCI_DEVICES).find((address) => {
      const read = (file: string) => kernel.readText(`${PCI_DEVICES}/${address}/${file}`).trim()
      return `${read('vendor')} ${read('device')}` === id
    })!
  return [
    [nvme, []],
    [find('0x8086 0x2922'), []],
    [find('0x8086 0x100e'), [[0, 0x2_0000]]],
    // A BAR of 256 bytes.
    [find('0x1af4 0x1110'), [[0, 0x1000]]],
    [
      find('0x8086 0x10d3'),
      [
        [0, 0x2_0000],
        [1, 0x2_0000],
        [3, 0x4000],
      ],
    ],
  ]
}

/** What the kernel's UIO answers for an edu device under uio_pci_generic, to the errno, with no package between. */
export function uioErrnos({ describe, it }: Runner, host: Host): void {
  const { kernel, edu } = host
  const page = kernel.pageSize
  const read = (fd: number, byteLength = 4) => {
    const bytes = new Uint8Array(byteLength)
    return outcome(() => {
      kernel.read(fd, bytes)
      return new DataView(bytes.buffer).getUint32(0, true)
    })
  }
  const write = (fd: number, byteLength: number) =>
    outcome(() => kernel.write(fd, new Uint8Array(byteLength)))
  const map = (fd: number, byteLength: number, position = 0) =>
    outcome(() => kernel.mapRegisters(fd, { byteLength, position }).close())

  const withOpen = (test: (opened: Opened, info: UioDeviceInfo) => void | Promise<void>) =>
    withUioBound(host, edu, async (info) => {
      const fd = kernel.open(info.path, O_RDWR | O_NONBLOCK)
      const registers = kernel.mapRegisters(fd, { byteLength: MiB })
      try {
        await test({ fd, registers }, info)
      } finally {
        registers.write32(EDU_ACKNOWLEDGE, 0xffff_ffff)
        registers.close()
        kernel.close(fd)
      }
    })
  /** Waits until there is an interrupt to read: the kernel counts it on a thread of its own. */
  const countOf = async (fd: number) => {
    assert.equal(await kernel.poll(fd, POLLIN, { signal: AbortSignal.timeout(5000) }), POLLIN)
    return read(fd)
  }

  describe('uio errnos', () => {
    it('sysfs: name, version, event, maps', () =>
      withUioBound(host, edu, ({ node, eventCount }) => {
        const folder = `/sys/class/uio/${node}`
        const text = (name: string) => kernel.readText(`${folder}/${name}`).trim()
        const bar = kernel.readText(`${PCI_DEVICES}/${edu}/resource`).split(' ')[0]!
        assert.equal(text('name'), 'uio_pci_generic')
        assert.equal(text('version'), '0.01.0')
        assert.equal(text('event'), `${eventCount}`)
        assert.match(text('dev'), /^\d+:\d+$/)
        assert.equal(host.modeOf(`/dev/${node}`), 0o600)
        assert.equal(text('maps/map0/name'), edu)
        assert.equal(text('maps/map0/addr'), bar)
        assert.equal(text('maps/map0/size'), '0x0000000000100000')
        assert.equal(text('maps/map0/offset'), '0x0')
        assert.equal(
          outcome(() => text('maps/map1/addr')),
          'ENOENT',
        )
        assert.equal(
          outcome(() => kernel.list(`${folder}/portio`)),
          'ENOENT',
        )
      }))

    it('maps: BARs 0 to 4 of 32 bits that are not prefetchable, in whole pages', async () => {
      for (const [address, expected] of pciMaps(host)) {
        await withUioBound(host, address, ({ node }) => {
          const folder = `/sys/class/uio/${node}`
          if (expected.length === 0) {
            assert.equal(
              outcome(() => kernel.list(`${folder}/maps`)),
              'ENOENT',
            )
            return
          }
          const resources = kernel.readText(`${PCI_DEVICES}/${address}/resource`).split('\n')
          const maps = kernel.list(`${folder}/maps`).map((map) => {
            const [name, addr, size, offset] = ['name', 'addr', 'size', 'offset'].map((file) =>
              kernel.readText(`${folder}/maps/${map}/${file}`).trim(),
            )
            assert.deepEqual([name, offset], [address, '0x0'])
            return [resources.findIndex((line) => line.startsWith(addr!)), Number(size)]
          })
          assert.deepEqual(maps, expected, address)
        })
      }
    })

    it('mmap: the whole map or less of it, from its start', () =>
      withOpen(({ fd }) => {
        assert.equal(map(fd, MiB), undefined)
        assert.equal(map(fd, 100), undefined)
        assert.equal(map(fd, MiB + page), 'EINVAL')
        assert.equal(map(fd, page, page), 'EINVAL', 'there is no map 1')
        assert.equal(map(fd, page, 5 * page), 'EINVAL', 'nor can there be a map 5')
      }))

    it('read, write, ioctl: four bytes, and nothing else', () =>
      withOpen(({ fd }) => {
        assert.equal(read(fd, 8), 'EINVAL')
        assert.equal(read(fd), 'EAGAIN')
        assert.equal(write(fd, 4), 'ENOSYS', 'uio_pci_generic has no irqcontrol')
        assert.equal(write(fd, 1), 'EINVAL')
        assert.equal(write(fd, 8), 'EINVAL')
        assert.equal(
          outcome(() => kernel.read(fd, new Uint8Array(4), 16)),
          'EAGAIN',
          'a position means nothing, and is no error',
        )
        assert.equal(
          outcome(() => kernel.ioctl(fd, 0x5401, new Uint8Array(64))),
          'ENOTTY',
        )
      }))

    it('poll: waits while there is no interrupt', () =>
      withOpen(async ({ fd }) => {
        const controller = new AbortController()
        const polled = kernel.poll(fd, POLLIN, { signal: controller.signal })
        const reason = new Error('nothing came')
        controller.abort(reason)
        await assert.rejects(polled, reason)
      }))

    it('registers: as wide as they are accessed', () =>
      withOpen(({ registers }) => {
        assert.equal(registers.read32(EDU_ID), 0x0100_00ed)
        registers.write32(EDU_LIVENESS, 0x1234_5678)
        assert.equal(registers.read32(EDU_LIVENESS), 0xedcb_a987)
        registers.write64(DMA_SOURCE, 0x9abc_def0, 0x1234_5678)
        assert.equal(registers.read64(DMA_SOURCE), 0x1234_5678_9abc_def0n)
        registers.write64(DMA_SOURCE, 0, 0)
        assert.equal(registers.read64(DMA_SOURCE), 0n)
        // The device takes 32 bits at least, and below its DMA registers no more.
        assert.equal(registers.read8(EDU_ID), 0)
        assert.equal(registers.read16(EDU_ID), 0)
        assert.equal(registers.read64(EDU_ID), 0xffff_ffff_ffff_ffffn)
      }))

    it('interrupt: counted, then masked in PCI_COMMAND until that is written', () =>
      withOpen(async ({ fd, registers }, { eventCount }) => {
        assert.equal(commandOf(host), 0x0103)
        registers.write32(EDU_RAISE, 0x2a)
        assert.equal(await countOf(fd), eventCount + 1)
        assert.equal(registers.read32(EDU_INTERRUPT_STATUS), 0x2a)
        assert.equal(commandOf(host), 0x0103 | INTX_DISABLE)
        registers.write32(EDU_RAISE, 0x40)
        await settle(kernel)
        assert.equal(read(fd), 'EAGAIN', 'masked: another one is not counted')
        writeCommand(host, commandOf(host) & ~INTX_DISABLE)
        assert.equal(await countOf(fd), eventCount + 2, 'still asserted: it fires at once')
        registers.write32(EDU_ACKNOWLEDGE, 0xffff_ffff)
        writeCommand(host, commandOf(host) & ~INTX_DISABLE)
        await settle(kernel)
        assert.equal(read(fd), 'EAGAIN')
      }))

    it('open: a second one sees what comes after it', () =>
      withOpen(async ({ fd, registers }, { path, eventCount }) => {
        registers.write32(EDU_RAISE, 1)
        assert.equal(await countOf(fd), eventCount + 1)
        registers.write32(EDU_ACKNOWLEDGE, 1)
        const second = kernel.open(path, O_RDWR | O_NONBLOCK)
        assert.equal(read(second), 'EAGAIN')
        writeCommand(host, commandOf(host) & ~INTX_DISABLE)
        registers.write32(EDU_RAISE, 1)
        assert.equal(await countOf(second), eventCount + 2)
        assert.equal(await countOf(fd), eventCount + 2)
        kernel.close(second)
      }))

    it('close: of any descriptor, takes bus mastering from all', () =>
      withOpen((_opened, { path }) => {
        writeCommand(host, commandOf(host) | BUS_MASTER)
        const second = kernel.open(path, O_RDWR)
        assert.equal(commandOf(host) & BUS_MASTER, BUS_MASTER)
        kernel.close(second)
        assert.equal(commandOf(host) & BUS_MASTER, 0)
      }))

    it('resource0: can be mapped and not read', () =>
      withUioBound(host, edu, () => {
        const fd = kernel.open(`${PCI_DEVICES}/${edu}/resource0`, O_RDWR)
        const registers = kernel.mapRegisters(fd, { byteLength: page })
        assert.equal(registers.read32(EDU_ID), 0x0100_00ed)
        registers.close()
        assert.equal(read(fd), 'EIO')
        kernel.close(fd)
      }))

    it('unbind: goes through, and what is open answers with errors', () =>
      withOpen(async ({ fd, registers }) => {
        bindDriver(edu, null, { kernel })
        try {
          assert.equal(read(fd), 'EIO')
          assert.equal(write(fd, 4), 'EINVAL')
          assert.equal(await kernel.poll(fd, POLLIN), GONE)
          assert.equal(map(fd, page), 'EINVAL')
          assert.equal(registers.read32(EDU_ID), 0x0100_00ed, 'what was mapped stays')
        } finally {
          bindDriver(edu, 'uio_pci_generic', { kernel })
        }
      }))
  })
}
