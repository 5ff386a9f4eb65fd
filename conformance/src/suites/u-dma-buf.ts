import assert from 'node:assert/strict'
import { DmaDirection, dmaMapSingle, setDmaOps, toNumber } from '@linux-dma/core'
import { dmaBufGet, listUDmaBufs, openUDmaBuf, type UDmaBuf, uDmaBufOps } from '@linux-dma/udmabuf'
import { openVfioDevice } from '@linux-dma/vfio'
import { fillPattern } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'
import { uDmaBufDevice } from './u-dma-buf-device'

const { ToDevice, FromDevice } = DmaDirection
const MiB = 0x10_0000
const NAME = 'udmabuf0'

/** Opens the same buffer elsewhere, and answers in it. */
const otherProcess = `
  import { linuxKernel } from '@linux-dma/core'
  import { openUDmaBuf } from '@linux-dma/udmabuf'
  const buffer = openUDmaBuf('${NAME}', { kernel: linuxKernel() })
  buffer.bytes[1] = buffer.bytes[0] + 1
  buffer.syncForDevice({ size: 4096 })
  buffer.close()
`

/** A u-dma-buf, as memory of this process and of devices: one of 1 MiB, below 28 address bits. */
export function uDmaBuf({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, runProcess } = host
  const page = kernel.pageSize
  const withBuffer = (test: (buffer: UDmaBuf) => void | Promise<void>) => () =>
    withoutLeaks(host, async () => {
      using buffer = openUDmaBuf(NAME, { kernel })
      await test(buffer)
    })

  describe('u-dma-buf', () => {
    it('is found, and says where it lies', () => {
      const info = listUDmaBufs({ kernel }).find(({ name }) => name === NAME)
      assert.ok(info, 'the machine has to have one')
      const { dmaAddress, ...others } = info
      assert.deepEqual(others, {
        name: NAME,
        node: `/dev/${NAME}`,
        path: `/sys/class/u-dma-buf/${NAME}`,
        size: MiB,
        dmaCoherent: true,
        syncMode: 1,
        syncOwner: others.syncOwner,
        driverVersion: '5.5.0',
        ioctlVersion: 2,
      })
      assert.ok(toNumber(dmaAddress) > 0 && toNumber(dmaAddress) + MiB <= 2 ** 28)
      assert.equal(toNumber(dmaAddress) % page, 0)
    })

    it(
      'is the same memory for all who open it, with caches and past them',
      withBuffer((buffer) => {
        using other = openUDmaBuf(`/dev/${NAME}`, { kernel, cached: false })
        assert.deepEqual([buffer.coherent, other.coherent], [true, true])
        fillPattern(buffer.bytes, 3)
        assert.equal(Buffer.compare(other.bytes, buffer.bytes), 0)
        other.bytes.fill(0)
        assert.equal(Buffer.compare(buffer.bytes, new Uint8Array(MiB)), 0)
      }),
    )

    it('keeps its bytes while nobody has it open, and old views of it none', () =>
      withoutLeaks(host, () => {
        const first = openUDmaBuf(NAME, { kernel })
        const { bytes } = first
        bytes[17] = 99
        first.close()
        assert.equal(bytes[17], 0)
        using second = openUDmaBuf(NAME, { kernel })
        assert.equal(second.bytes[17], 99)
      }))

    it(
      'is handed over by syncs, of which the driver remembers the last',
      withBuffer((buffer) => {
        buffer.syncForDevice({ offset: page, size: 100, direction: ToDevice })
        assert.equal(buffer.syncOwner, 'device')
        buffer.syncForCpu({ offset: MiB - 1, direction: FromDevice })
        assert.equal(buffer.syncOwner, 'cpu')
        assert.equal(listUDmaBufs({ kernel }).find(({ name }) => name === NAME)?.syncOwner, 'cpu')
        refusal(() => buffer.syncForCpu({ offset: MiB }), 'DMA_RANGE')
        refusal(() => buffer.syncForCpu({ size: MiB + 1 }), 'DMA_RANGE')
      }),
    )

    it(
      'is exported by pages, for who has never heard of it',
      withBuffer((buffer) => {
        using part = buffer.exportDmaBuf({ offset: page, size: 2 * page })
        using same = dmaBufGet(part.fd, { kernel })
        const { exporter, size, name, access } = same.info()
        assert.deepEqual([exporter, size, name, access], [NAME, 2 * page, undefined, 'read-write'])
        buffer.bytes[page + 5] = 55
        assert.equal(
          same.cpuAccess('read-write', (bytes) => bytes[5]),
          55,
        )
        using past = openUDmaBuf(NAME, { kernel, cached: false })
        using uncached = past.exportDmaBuf({ size: page })
        uncached.cpuAccess('write', (bytes) => bytes.fill(7))
        assert.equal(buffer.bytes[page - 1], 7)
        for (const range of [
          { offset: -page, size: 2 * page },
          { offset: MiB },
          { offset: page, size: MiB },
        ]) {
          refusal(() => buffer.exportDmaBuf(range), 'DMA_RANGE')
        }
        refusal(() => buffer.exportDmaBuf({ size: 100 }), 'DMA_ALIGNMENT')
      }),
    )

    it(
      'is seen by a device that imports it, in one piece',
      withBuffer((buffer) => {
        using part = buffer.exportDmaBuf({ offset: 2 * page, size: 3 * page })
        const device = host.importDmaBuf(part.fd)
        try {
          assert.deepEqual(device.segments, [3 * page])
        } finally {
          device.detach()
        }
      }),
    )

    it('is not there under another name', () =>
      withoutLeaks(host, () => {
        refusal(() => openUDmaBuf('udmabuf7', { kernel }), 'DMA_NO_DEVICE', new RegExp(`there are: ${NAME}`))
      }))

    it('is refused by VFIO, which takes no address but its own', () =>
      withoutLeaks(host, () => {
        using buffer = openUDmaBuf(NAME, { kernel })
        using device = openVfioDevice(host.edu, { kernel })
        device.setMaster()
        refusal(() => dmaMapSingle(device, buffer.bytes.subarray(0, page), ToDevice), 'EFAULT')
        setDmaOps(device, uDmaBufOps(buffer))
        refusal(() => dmaMapSingle(device, buffer.bytes.subarray(0, page), ToDevice), 'DMA_TRANSLATED')
      }))

    const shares = 'is the same memory in another process'
    if (runProcess) {
      it(
        shares,
        withBuffer(async (buffer) => {
          buffer.bytes[0] = 41
          const { status, output } = await runProcess(otherProcess)
          assert.equal(status, 0, output)
          assert.deepEqual([buffer.bytes[1], buffer.syncOwner], [42, 'device'])
        }),
      )
    } else {
      skip(shares, 'the fake machine has one process and one thread')
    }
  })

  uDmaBufDevice({ describe, it }, host)
}
