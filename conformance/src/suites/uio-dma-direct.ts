import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  bouncePoolOf,
  createDmaRegion,
  DmaDirection,
  DmaError,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMaskAndCoherent,
  type Kernel,
  physicalAddressAt,
  toNumber,
} from '@linux-dma/core'
import { openUio, type UioDevice } from '@linux-dma/uio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { withHugePages } from '../huge-pages'
import { refusal } from '../with-device'
import { withUioBound } from '../with-uio'

const { ToDevice, FromDevice } = DmaDirection
const MEMORY_BLOCKS = '/sys/devices/system/memory'

/** DMA of UIO devices by physical address: on machines where no IOMMU translates. */
export function uioDmaDirect({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, edu, wideEdu, eduAddressBits } = host
  const page = kernel.pageSize

  const withDevice = (
    address: string,
    bits: number,
    test: (device: UioDevice) => void | Promise<void>,
    through: Kernel = kernel,
  ) =>
    withUioBound(host, address, async ({ node }) => {
      using device = openUio(node, { kernel: through, unsafePhysicalAddresses: true })
      device.setMaster()
      dmaSetMaskAndCoherent(device, dmaBitMask(bits))
      await test(device)
    })
  const withEdu = (test: (device: UioDevice) => void | Promise<void>) =>
    withHugePages(host, 4, () => withDevice(edu, eduAddressBits, test))
  const withWideEdu = (test: (device: UioDevice) => void | Promise<void>) =>
    withHugePages(host, 2, () => withDevice(wideEdu, 64, test))

  describe('uio dma by physical address', () => {
    it('has to be asked for', () =>
      withUioBound(host, wideEdu, ({ node }) => {
        using device = openUio(node, { kernel })
        device.setMaster()
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        const hint = /unsafePhysicalAddresses: true.*@linux-dma\/vfio/
        refusal(() => dmaMapSingle(device, memory.bytes, ToDevice), 'DMA_UNSAFE_PHYSICAL', hint)
        refusal(() => createDmaRegion(device, { byteLength: page }), 'DMA_UNSAFE_PHYSICAL', hint)
        const error = refusal(() => device.allocateCoherent(page), 'DMA_UNSAFE_PHYSICAL', hint)
        for (const way of [
          'uio_dmem_genirq',
          'uio dma memory at the magic offset',
          'uio dma memory behind a flag',
          'direct, by physical address',
        ]) {
          assert.ok(error.message.includes(`\n  ${way}`), error.message)
        }
      }))

    it('moves bytes in place, where the device has all address lines', () =>
      withWideEdu(async (device) => {
        using memory = allocateDmaMemory({ byteLength: 2 * page, kernel })
        const [source, target] = [memory.bytes.subarray(0, page), memory.bytes.subarray(page)]
        fillPattern(source, 5)
        using out = dmaMapSingle(device, source.subarray(7, 4007), ToDevice)
        assert.equal(toNumber(out.dmaAddress), toNumber(physicalAddressAt(memory, 7)))
        await transfer(device.bar(0), 'to-device', out.dmaAddress, 4000)
        using back = dmaMapSingle(device, target.subarray(0, 4000), FromDevice)
        await transfer(device.bar(0), 'from-device', back.dmaAddress, 4000)
        assert.deepEqual(back.syncForCpu(), source.slice(7, 4007))
        assert.equal(bouncePoolOf(device), undefined)
        device.verifyFrames()
      }))

    it('brings buffers of the heap below the mask, and back', () =>
      withEdu(async (device) => {
        const source = new Uint8Array(3000)
        fillPattern(source, 11)
        const target = new Uint8Array(3000)
        using out = dmaMapSingle(device, source, ToDevice)
        await transfer(device.bar(0), 'to-device', out.dmaAddress, 3000)
        using back = dmaMapSingle(device, target, FromDevice)
        await transfer(device.bar(0), 'from-device', back.dmaAddress, 3000)
        for (const { dmaAddress } of [out, back]) {
          assert.ok(toNumber(dmaAddress) + 3000 <= 2 ** eduAddressBits)
        }
        back.unmap()
        assert.deepEqual(target, source)
      }))

    it('allocates coherent memory below the mask', () =>
      withEdu(async (device) => {
        for (const byteLength of [64, page, 3 * page]) {
          using coherent = device.allocateCoherent(byteLength)
          assert.equal(coherent.origin, 'direct')
          assert.deepEqual(coherent.bytes, new Uint8Array(byteLength))
          assert.equal(toNumber(coherent.dmaAddress), toNumber(physicalAddressAt(coherent.memory, 0)))
          assert.ok(toNumber(coherent.dmaAddress) + byteLength <= 2 ** eduAddressBits)
          fillPattern(coherent.bytes.subarray(0, 32), byteLength)
          await transfer(device.bar(0), 'to-device', coherent.dmaAddress, 32)
          const sent = coherent.bytes.slice(0, 32)
          coherent.bytes.fill(0)
          await transfer(device.bar(0), 'from-device', coherent.dmaAddress, 32)
          assert.deepEqual(coherent.bytes.slice(0, 32), sent)
          assert.ok(coherent.bytes.subarray(32).every((byte) => byte === 0))
        }
      }))

    it('moves nothing while bus mastering is off', () =>
      withWideEdu(async (device) => {
        using coherent = device.allocateCoherent(page)
        const { bytes, dmaAddress } = coherent
        bytes.fill(0x11, 0, 16)
        await transfer(device.bar(0), 'to-device', dmaAddress, 16)
        bytes.fill(0x22, 0, 16)
        device.clearMaster()
        // The device reports that it is done all the same.
        await transfer(device.bar(0), 'to-device', dmaAddress, 16)
        await transfer(device.bar(0), 'from-device', dmaAddress, 16)
        assert.deepEqual(bytes.slice(0, 16), new Uint8Array(16).fill(0x22))
        refusal(() => coherent.dmaAddress, 'DMA_BUS_MASTER_OFF', /setMaster/)
        refusal(() => dmaMapSingle(device, bytes, ToDevice), 'DMA_BUS_MASTER_OFF')
        refusal(() => device.allocateCoherent(page), 'DMA_BUS_MASTER_OFF')
        device.setMaster()
        await transfer(device.bar(0), 'from-device', coherent.dmaAddress, 16)
        assert.notDeepEqual(bytes.slice(0, 16), new Uint8Array(16).fill(0x22))
      }))

    it('makes no system call for a part of a region', () => {
      const calls: string[] = []
      return withHugePages(host, 1, (hugePageSize) =>
        withDevice(
          wideEdu,
          64,
          async (device) => {
            using region = createDmaRegion(device, { byteLength: hugePageSize, hugePageSize })
            const at = hugePageSize - page
            const registers = device.bar(0)
            fillPattern(region.bytes.subarray(at), 3)
            calls.length = 0
            const mapping = dmaMapSingle(device, region.bytes.subarray(at), ToDevice)
            const handle = region.mapSingle(0, 4000, FromDevice)
            const addresses = [mapping.dmaAddress, region.addressOf(handle)] as const
            assert.deepEqual(calls, [])
            await transfer(registers, 'to-device', addresses[0], 4000)
            await transfer(registers, 'from-device', addresses[1], 4000)
            calls.length = 0
            region.unmapSingle(handle)
            mapping.unmap()
            assert.deepEqual(calls, [])
            assert.deepEqual(region.bytes.slice(0, 4000), region.bytes.slice(at, at + 4000))
          },
          recording(kernel, calls),
        ),
      )
    })

    it('says how to reserve a huge page, where none is left', () =>
      withDevice(wideEdu, 64, (device) => {
        const taken: Disposable[] = []
        try {
          const error = refusal(
            () => {
              for (;;) taken.push(device.allocateCoherent(0x20_0000))
            },
            'DMA_NOT_CONTIGUOUS',
            /echo 1 > \/sys\/kernel\/mm\/hugepages\/hugepages-2048kB\/nr_hugepages/,
          )
          assert.match(error.message, /by physical address: 2097152 bytes/)
        } finally {
          for (const one of taken) one[Symbol.dispose]()
        }
      }))

    it('keeps memory until bus mastering is off, where close() could not turn it off', () => {
      let broken = false
      const order: string[] = []
      const through = failingConfig(
        kernel,
        () => broken,
        (what) => order.push(what),
      )
      return withDevice(
        wideEdu,
        64,
        (device) => {
          const { memory } = device.allocateCoherent(page)
          broken = true
          refusal(() => device.close(), 'EIO')
          assert.deepEqual([memory.closed, memory.quarantined], [true, false])
          const node = order.indexOf(`close /dev/${device.node}`)
          const pages = order.findIndex((what) => what.startsWith('close /memfd:linux-dma-coherent'))
          assert.ok(node >= 0 && pages > node, order.join(', '))
        },
        through,
      )
    })

    const moving = 'keeps huge pages where they are, and finds out where one was moved'
    if (host.name === 'fake') skip(moving, 'the fake’s memory cannot be taken out of use')
    else it(moving, () => movesHugePages(host, withWideEdu))
  })
}

/** Takes huge pages out of use, as an administrator does with one that begins to fail: the kernel moves what it can. */
async function movesHugePages(
  { kernel }: Host,
  withWideEdu: (test: (device: UioDevice) => void) => Promise<void>,
): Promise<void> {
  const hugePageSize = 0x20_0000
  const page = kernel.pageSize
  const takeOutOfUse = (address: number) =>
    kernel.writeText(`${MEMORY_BLOCKS}/soft_offline_page`, `0x${address.toString(16)}`)
  const disabled = '/proc/sys/kernel/io_uring_disabled'
  const before = kernel.readText(disabled).trim()
  await withWideEdu((device) => {
    using pinned = createDmaRegion(device, { byteLength: hugePageSize, hugePageSize })
    refusal(() => takeOutOfUse(toNumber(pinned.dmaAddress)), 'EBUSY')
    device.verifyFrames()
    kernel.writeText(disabled, '2')
    try {
      using loose = createDmaRegion(device, { byteLength: hugePageSize, hugePageSize })
      const address = toNumber(loose.dmaAddress)
      takeOutOfUse(address)
      // What is not pinned is looked at when it is mapped anew; then the device gets no address at all.
      refusal(() => dmaMapSingle(device, loose.bytes.subarray(page), ToDevice), 'DMA_FRAME_MOVED')
      const error = refusal(() => device.verifyFrames(), 'DMA_FRAME_MOVED', /map it anew/)
      assert.ok(error.message.includes(address.toString(16)), error.message)
      assert.equal(device.dmaReady, false)
      for (const late of [
        () => loose.dmaAddress,
        () => loose.addressAt(0, 1),
        () => pinned.addressAt(0, 1),
        () => device.allocateCoherent(1),
      ]) {
        refusal(late, 'DMA_FRAME_MOVED')
      }
      device.clearMaster()
      refusal(() => device.setMaster(), 'DMA_FRAME_MOVED')
      assert.equal(device.busMaster, false)
      loose.close()
      device.setMaster()
      assert.equal(device.dmaReady, true)
      using again = createDmaRegion(device, { byteLength: hugePageSize, hugePageSize })
      assert.equal(again.addressAt(0, 1), again.dmaAddress)
    } finally {
      kernel.writeText(disabled, before)
    }
  })
}

/** A kernel that writes down which system calls are made. */
function recording(kernel: Kernel, calls: string[]): Kernel {
  return new Proxy(kernel, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return (...parameters: unknown[]) => {
        calls.push(String(name))
        return member.apply(target, parameters)
      }
    },
  })
}

/** A kernel that lets nobody write to configuration space while `broken`, and tells what is closed then. */
function failingConfig(kernel: Kernel, broken: () => boolean, tell: (what: string) => void): Kernel {
  const write: Kernel['write'] = (fd, bytes, position) => {
    if (broken() && position !== undefined) throw new DmaError('EIO', 'the device does not answer')
    return kernel.write(fd, bytes, position)
  }
  const close: Kernel['close'] = (fd) => {
    if (broken()) tell(`close ${kernel.readLink(`/proc/self/fd/${fd}`)}`)
    kernel.close(fd)
  }
  return new Proxy(kernel, {
    get: (target, name) => {
      if (name === 'write') return write
      if (name === 'close') return close
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
