import assert from 'node:assert/strict'
import { O_NONBLOCK, O_RDWR, POLLERR, POLLHUP, POLLIN } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'
import { outcome, uioOf } from '../with-uio'

const GONE = POLLIN | POLLERR | POLLHUP
/** What stands in the place of an address that is none. */
const NO_ADDRESS = '0xffffffffffffffff'
/** In an entry of pagemap: the page is there; the number of its frame. */
const PRESENT = 1n << 63n
const FRAME = (1n << 55n) - 1n

/** Maps a driver's memory, and reads it after the driver has gone. */
const lateProcess = `
  import { linuxKernel } from '@linux-dma/core'
  const kernel = linuxKernel()
  const window = kernel.mapRegisters(kernel.open('NODE', 2), { byteLength: 8192, position: POSITION })
  window.read32(0)
  kernel.writeText('/sys/bus/platform/drivers/lab_uio/unbind', 'lab_uio')
  window.read32(64)
  console.log('its first page was there')
  window.read32(4096)
`

/** What the kernel's UIO answers for devices that are none of PCI, to the errno, with no package between. */
export function uioDriverErrnos({ describe, it }: Runner, host: Host): void {
  const { kernel, uio } = host
  const page = kernel.pageSize
  const nodeOf = (name: string) => uioOf(kernel, (info) => info.name === name)
  const read = (fd: number, byteLength = 4, position?: number) =>
    outcome(() => kernel.read(fd, new Uint8Array(byteLength), position))
  const write = (fd: number, byteLength = 4) => outcome(() => kernel.write(fd, new Uint8Array(byteLength)))
  const map = (fd: number, index: number, byteLength: number) =>
    outcome(() => kernel.mapRegisters(fd, { byteLength, position: index * page }).close())
  const list = (node: string, folder: string) =>
    outcome(() => kernel.list(`/sys/class/uio/${node}/${folder}`))
  const withOpen = (path: string, test: (fd: number) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      const fd = kernel.open(path, O_RDWR | O_NONBLOCK)
      try {
        await test(fd)
      } finally {
        kernel.close(fd)
      }
    })
  /** What it answers that is the same for all devices. */
  const assertShape = (fd: number) => {
    assert.deepEqual([read(fd, 8), write(fd, 8), write(fd, 1)], ['EINVAL', 'EINVAL', 'EINVAL'])
    assert.equal(
      outcome(() => kernel.ioctl(fd, 0x5401, new Uint8Array(64))),
      'ENOTTY',
    )
  }

  describe('uio errnos of a driver with an interrupt and irqcontrol', () => {
    it('read, write, poll', () => {
      const { path } = nodeOf('lab_uio')
      assert.equal(host.modeOf(path), 0o600)
      return withOpen(path, async (fd) => {
        assertShape(fd)
        assert.deepEqual([read(fd), read(fd, 4, 16), write(fd)], ['EAGAIN', 'EAGAIN', 4])
        const reason = new Error('nothing came')
        const controller = new AbortController()
        const polled = kernel.poll(fd, POLLIN, { signal: controller.signal })
        controller.abort(reason)
        await assert.rejects(polled, reason)
        uio.notify(3)
        assert.deepEqual([await kernel.poll(fd, POLLIN), read(fd), read(fd)], [POLLIN, 4, 'EAGAIN'])
      })
    })

    it('mmap: each map by its number, to the end of its last page', () => {
      const { path, node } = nodeOf('lab_uio')
      assert.deepEqual(list(node, 'maps'), ['map0', 'map1', 'map2'])
      assert.deepEqual(list(node, 'portio'), ['port0'])
      return withOpen(path, (fd) => {
        for (const [index, byteLength, end] of [
          [0, 8192, 8192],
          [1, 5000, 8192],
          [2, 16384, 16384],
        ] as const) {
          assert.equal(map(fd, index, byteLength), undefined)
          assert.equal(map(fd, index, end), undefined)
          assert.equal(map(fd, index, end + 1), 'EINVAL')
        }
        assert.deepEqual([map(fd, 3, page), map(fd, 5, page)], ['EINVAL', 'EINVAL'])
      })
    })
  })

  describe('uio errnos of a driver with nothing', () => {
    it('read, write, poll, mmap', () => {
      const { path, node } = nodeOf('lab_uio_silent')
      assert.deepEqual([list(node, 'maps'), list(node, 'portio')], ['ENOENT', 'ENOENT'])
      return withOpen(path, async (fd) => {
        assertShape(fd)
        assert.deepEqual([read(fd), write(fd), map(fd, 0, page)], ['EIO', 'EIO', 'EINVAL'])
        assert.equal(await kernel.poll(fd, POLLIN), GONE)
      })
    })
  })

  describe('uio errnos after unbind', () => {
    const unbound = async (test: () => void | Promise<void>) => {
      uio.unbindPlatform('lab_uio')
      try {
        await test()
      } finally {
        uio.bindPlatform('lab_uio', 'lab_uio')
      }
    }

    it('read, write, poll, mmap, open', () => {
      const { path } = nodeOf('lab_uio')
      return withOpen(path, (fd) =>
        unbound(async () => {
          assertShape(fd)
          assert.deepEqual([read(fd), write(fd), map(fd, 0, page)], ['EIO', 'EINVAL', 'EINVAL'])
          assert.equal(await kernel.poll(fd, POLLIN), GONE)
          assert.equal(
            outcome(() => kernel.open(path, O_RDWR)),
            'ENOENT',
          )
        }),
      )
    })

    it('memory: pages that were accessed stay, others raise SIGBUS', async () => {
      for (const index of [0, 1]) {
        const { path } = nodeOf('lab_uio')
        if (host.runProcess) {
          const source = lateProcess.replace('NODE', path).replace('POSITION', `${index * page}`)
          try {
            const { signal, output } = await host.runProcess(source)
            assert.deepEqual([signal, output], ['SIGBUS', 'its first page was there\n'])
          } finally {
            uio.bindPlatform('lab_uio', 'lab_uio')
          }
          continue
        }
        await withOpen(path, (fd) => {
          const window = kernel.mapRegisters(fd, { byteLength: 8192, position: index * page })
          window.read32(0)
          return unbound(() => {
            window.read32(64)
            refusal(() => window.read32(4096), 'DMA_BUS_ERROR')
            window.close()
          })
        })
      }
    })
  })

  describe('uio errnos of uio_dmem_genirq', () => {
    const addresses = (node: string) =>
      [1, 2].map((index) => kernel.readText(`/sys/class/uio/${node}/maps/map${index}/addr`).trim())
    const withDmem = async (
      behaviour: 'old' | 'new',
      test: (fd: number, node: string) => void | Promise<void>,
    ) => {
      uio.addDmem(behaviour)
      try {
        const { path, node } = uioOf(kernel, ({ driver }) => driver === 'uio_dmem_genirq')
        assert.deepEqual(addresses(node), [NO_ADDRESS, NO_ADDRESS], 'before it is opened')
        await withOpen(path, (fd) => test(fd, node))
        assert.deepEqual(addresses(node), [NO_ADDRESS, NO_ADDRESS], 'after it is closed')
      } finally {
        uio.removePlatformEdu()
      }
    }
    /** Regions can be mapped, to their last byte, and nobody learns from pagemap where they are. */
    const assertRegions = (fd: number) => {
      assertShape(fd)
      assert.deepEqual([read(fd), write(fd)], ['EAGAIN', 4])
      assert.deepEqual([map(fd, 1, 16_384), map(fd, 1, 16_385)], [undefined, 'EINVAL'])
      assert.deepEqual([map(fd, 2, 65_536), map(fd, 2, 65_537)], [undefined, 'EINVAL'])
      assert.equal(map(fd, 3, page), 'EINVAL')
      const mapping = kernel.mmap(fd, { byteLength: 16_384, position: page })
      mapping.bytes.fill(1)
      const entries = new BigUint64Array(4)
      kernel.readPagemap(mapping.address, entries)
      assert.ok(
        entries.every((entry) => (entry & (PRESENT | FRAME)) === 0n),
        `${entries}`,
      )
      mapping.close()
    }

    it('before Linux 6.9: bus addresses while it is open', () =>
      withDmem('old', (fd, node) => {
        for (const address of addresses(node)) {
          assert.ok(BigInt(address) > 0n && BigInt(address) < 1n << 32n, address)
          assert.equal(BigInt(address) % BigInt(page), 0n)
        }
        assertRegions(fd)
      }))

    it('since Linux 6.9: pointers of the kernel while it is open', () =>
      withDmem('new', (fd, node) => {
        for (const address of addresses(node)) {
          assert.ok(BigInt(address) >> 48n === 0xffffn || BigInt(address) >> 56n === 0xffn, address)
          assert.notEqual(address, NO_ADDRESS)
        }
        assertRegions(fd)
      }))
  })
}
