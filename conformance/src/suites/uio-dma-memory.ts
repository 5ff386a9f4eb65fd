import assert from 'node:assert/strict'
import { addToDmaAddress, dmaBitMask, dmaSetCoherentMask, type IoRegion } from '@linux-dma/core'
import { openUio, readUioDevice, type UioDevice } from '@linux-dma/uio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal } from '../with-device'
import { withUioBound } from '../with-uio'

/** A UIO core that allocates DMA memory, as a patch of 2008 and its review had it, behind an IOMMU that translates. */
export function uioDmaMemory({ describe, it }: Runner, host: Host): void {
  const { kernel, wideEdu } = host
  const page = kernel.pageSize

  const withCore = (
    variant: 'magic' | 'flag',
    test: (device: UioDevice, registers: IoRegion) => void | Promise<void>,
  ) => {
    host.uio.loadDmaMemory(variant)
    return withUioBound(host, wideEdu, async (info) => {
      assert.notEqual(info.iommuType ?? 'identity', 'identity')
      using device = openUio(info.node, { kernel })
      device.setMaster()
      await test(device, device.bar(0))
    })
  }

  /** Has the device fetch a pattern from one end of an allocation and put it at the other. */
  const throughDevice = async (device: UioDevice, registers: IoRegion, byteLength: number) => {
    using memory = device.allocateCoherent(byteLength)
    assert.deepEqual(memory.bytes, new Uint8Array(byteLength))
    const pattern = memory.bytes.subarray(0, 100)
    fillPattern(pattern, byteLength)
    await transfer(registers, 'to-device', memory.dmaAddress, 100)
    await transfer(registers, 'from-device', addToDmaAddress(memory.dmaAddress, byteLength - 100), 100)
    assert.deepEqual(memory.bytes.slice(-100), pattern.slice())
    assert.ok(memory.bytes.subarray(100, -100).every((byte) => byte === 0))
    return memory.origin
  }
  const regions = (node: string) =>
    readUioDevice(kernel, node).maps.flatMap(({ dmaMemory, index, byteLength }) =>
      dmaMemory ? [[index, byteLength]] : [],
    )

  describe('uio dma memory at the magic offset', () => {
    it('is what the device finds behind the IOMMU', () =>
      withCore('magic', async (device, registers) => {
        assert.equal(await throughDevice(device, registers, 3 * page), 'uio dma memory map1000')
        // Freed, and used again: zeroed, and for less.
        assert.equal(await throughDevice(device, registers, 200), 'uio dma memory map1000')
        assert.equal(await throughDevice(device, registers, 4 * page), 'uio dma memory map1001')
        assert.deepEqual(regions(device.node), [
          [1000, 3 * page],
          [1001, 4 * page],
        ])
      }))

    it('is left alone where another one allocated it', () =>
      withCore('magic', (device) => {
        const { node } = device
        assert.equal(device.allocateCoherent(page).origin, 'uio dma memory map1000')
        device.close()
        using again = openUio(node, { kernel })
        again.setMaster()
        assert.equal(again.allocateCoherent(page).origin, 'uio dma memory map1001')
      }))

    it('above the mask is given back, and no more of it is made', () =>
      withCore('magic', (device) => {
        dmaSetCoherentMask(device, dmaBitMask(24))
        for (let round = 0; round < 3; round++) {
          refusal(() => device.allocateCoherent(page), 'DMA_ABOVE_MASK', /dmaSetCoherentMask/)
        }
        assert.deepEqual(regions(device.node), [[1000, page]])
        dmaSetCoherentMask(device, dmaBitMask(32))
        assert.equal(device.allocateCoherent(page).origin, 'uio dma memory map1000')
      }))

    it('is refused where the kernel has not so much', () =>
      withCore('magic', (device) => {
        const error = refusal(() => device.allocateCoherent(2 ** 40), 'ENOMEM')
        assert.match(error.message, /uio dma memory at the magic offset/)
        assert.deepEqual(regions(device.node), [])
        assert.equal(device.children.size, 0)
      }))

    it('leaves the process when the device goes', () => withCore('magic', (device) => leaves(device)))
  })

  describe('uio dma memory behind a flag', () => {
    it('is what the device finds behind the IOMMU', () =>
      withCore('flag', async (device, registers) => {
        const { maps } = device.info
        const small = maps.find(({ name }) => name === 'dma0')!
        const large = maps.find(({ name }) => name === 'dma1')!
        const address = ({ index }: { index: number }) =>
          Number(kernel.readText(`/sys/class/uio/${device.node}/maps/map${index}/addr`))
        assert.deepEqual([small, large].map(address), [0, 0])
        const smallOrigin = `uio dma memory map${small.index}`
        assert.equal(await throughDevice(device, registers, 5000), smallOrigin)
        // None is allocated before it is needed.
        assert.equal(address(large), 0)
        assert.equal(
          await throughDevice(device, registers, small.byteLength + 1),
          `uio dma memory map${large.index}`,
        )
        using first = device.allocateCoherent(1)
        using second = device.allocateCoherent(1)
        assert.equal(first.origin, smallOrigin)
        assert.notEqual(second.origin, smallOrigin)
        const full = refusal(() => device.allocateCoherent(1), 'ENOMEM', /free an allocation/)
        assert.match(full.message, /65536 bytes \(in use\)/)
        refusal(() => device.allocateCoherent(large.byteLength + 1), 'ENOMEM', /allocate less/)
      }))

    it('is used again by the next one who opens the device', () =>
      withCore('flag', async (device, registers) => {
        const { node } = device
        device.allocateCoherent(page).bytes.fill(9)
        registers.close()
        device.close()
        using again = openUio(node, { kernel })
        again.setMaster()
        assert.match(await throughDevice(again, again.bar(0), page), /^uio dma memory map\d$/)
      }))

    it('leaves the process when the device goes', () => withCore('flag', (device) => leaves(device)))
  })

  /** The kernel frees the memory while it is mapped, at the moment when the driver is unbound. */
  async function leaves(device: UioDevice): Promise<void> {
    const memory = device.allocateCoherent(page)
    const { bytes } = memory
    bytes.fill(0x5a)
    const removed = assert.rejects(kernel.clock.sleep(60_000, { signal: device.removed }), {
      code: 'DMA_DEVICE_GONE',
    })
    await host.unbind(wideEdu)
    await removed
    assert.equal(bytes[0], 0)
    assert.equal(memory.freed, true)
    refusal(() => memory.bytes, 'DMA_DEVICE_GONE')
    refusal(() => device.allocateCoherent(page), 'DMA_DEVICE_GONE', /open it again/)
    device.close()
  }
}
