import assert from 'node:assert/strict'
import {
  dmaAddress,
  dmaAllocCoherent,
  dmaBitMask,
  dmaPoolAlloc,
  dmaPoolCreate,
  dmaPoolDestroy,
  dmaPoolFree,
  dmaPoolZalloc,
  dmaSetCoherentMask,
  dmaSetMaskAndCoherent,
  toNumber,
} from '@linux-dma/core'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

/** Pools of small coherent blocks. */
export function dmaPool({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const withEdu = (test: (device: VfioDevice) => void | Promise<void>) =>
    withDevice(host, (device) => {
      device.setMaster()
      dmaSetMaskAndCoherent(device, dmaBitMask(28))
      return test(device)
    })

  describe('dma pool', () => {
    it('gives blocks that the device reads and writes', () =>
      withEdu(async (device) => {
        using pool = dmaPoolCreate('commands', device, 200, 64)
        using first = dmaPoolAlloc(pool)
        using second = dmaPoolZalloc(pool)
        fillPattern(first.bytes, 77)
        await transfer(device.bar(0), 'to-device', first.dmaAddress, 200)
        await transfer(device.bar(0), 'from-device', second.dmaAddress, 200)
        assert.deepEqual(second.bytes, first.bytes)
        assert.equal(first.bytes.byteLength, 200)
        assert.equal(toNumber(first.dmaAddress) % 64, 0)
        const handle = pool.get()
        assert.equal(pool.handleAt(pool.addressOf(handle)), handle)
        pool.put(handle)
        assert.equal(pool.used, 2)
      }))

    it('keeps alignment, boundary and mask, and lets no two blocks overlap', () =>
      withEdu((device) => {
        for (const [byteLength, alignment, boundary] of [
          [1, 1, 0],
          [24, 0, 0],
          [100, 32, 0],
          [1000, 1, 1024],
          [1500, 4, 2048],
          [3000, 8, 0],
          [4096, 4096, 4096],
          [5000, 1, 8192],
          [5000, 16384, 0],
          [70_000, 64, 131_072],
        ] as const) {
          using pool = dmaPoolCreate('blocks', device, byteLength, alignment, boundary)
          const starts = Array.from({ length: 40 }, () => toNumber(pool.addressOf(pool.get())))
          starts.sort((a, b) => a - b)
          for (const [i, start] of starts.entries()) {
            const end = start + byteLength
            assert.equal(start % (alignment || 1), 0)
            assert.ok(end <= 2 ** 28)
            if (i > 0) assert.ok(start - starts[i - 1]! >= Math.max(byteLength, 16))
            if (boundary > 0) assert.equal(Math.floor(start / boundary), Math.floor((end - 1) / boundary))
          }
          for (const start of starts) pool.put(pool.handleAt(dmaAddress(start)))
        }
      }))

    it('refuses what dma_pool_create refuses', () =>
      withEdu((device) => {
        for (const [byteLength, alignment, boundary] of [
          [0, 1, 0],
          [-1, 1, 0],
          [1.5, 1, 0],
          [2 ** 31, 1, 0],
          [Number.NaN, 1, 0],
          [64, 3, 0],
          [64, -2, 0],
          [64, 0.5, 0],
          [64, 1, 32],
          [64, 1, 96],
          [64, 128, 64],
          [8, 1, 8],
        ] as const) {
          refusal(
            () => dmaPoolCreate('wrong', device, byteLength, alignment, boundary),
            'DMA_INVALID_ARGUMENT',
          )
        }
        refusal(() => dmaPoolCreate('', device, 64), 'DMA_INVALID_ARGUMENT')
        refusal(() => dmaPoolCreate(5 as never, device, 64), 'DMA_INVALID_ARGUMENT')
        refusal(() => dmaPoolCreate('x', device, 64, 1, 0, { chek: true } as never), 'DMA_INVALID_ARGUMENT')
        assert.equal(device.children.size, 0)
        device.clearMaster()
        refusal(() => dmaPoolCreate('x', device, 64), 'DMA_BUS_MASTER_OFF')
      }))

    it('finds second frees, blocks of others and addresses that are none', () =>
      withEdu((device) => {
        using pool = dmaPoolCreate('one', device, 64)
        using other = dmaPoolCreate('other', device, 64)
        const block = dmaPoolAlloc(pool)
        refusal(() => dmaPoolFree(other, block), 'DMA_WRONG_POOL')
        refusal(() => dmaPoolFree(pool, {} as never), 'DMA_INVALID_ARGUMENT')
        const address = block.dmaAddress
        refusal(() => pool.handleAt(dmaAddress(toNumber(address) + 8)), 'DMA_NOT_ALLOCATED')
        refusal(() => pool.handleAt(dmaAddress(0)), 'DMA_NOT_ALLOCATED')
        dmaPoolFree(pool, block)
        refusal(() => dmaPoolFree(pool, block), 'DMA_NOT_ALLOCATED', /first free/)
        refusal(() => block.bytes, 'DMA_NOT_ALLOCATED')
        refusal(() => block.dmaAddress, 'DMA_NOT_ALLOCATED')
        refusal(() => pool.handleAt(address), 'DMA_NOT_ALLOCATED')
        const handle = pool.get()
        pool.put(handle)
        refusal(() => pool.put(handle), 'DMA_NOT_ALLOCATED')
        const reused = pool.get()
        refusal(() => pool.put(handle), 'DMA_NOT_ALLOCATED')
        refusal(() => pool.addressOf(handle), 'DMA_NOT_ALLOCATED')
        refusal(() => pool.bytesOf(handle), 'DMA_NOT_ALLOCATED')
        for (const nothing of [undefined, null, -1, 0.5, 2 ** 40, Number.NaN, 'block', {}]) {
          refusal(() => pool.put(nothing as never), 'DMA_NOT_ALLOCATED')
        }
        pool.put(reused)
        assert.equal(pool.used, 0)
      }))

    it('finds a device that writes to a block after it was freed', () =>
      withEdu(async (device) => {
        using pool = dmaPoolCreate('checked', device, 32, 1, 0, { check: true })
        using source = dmaAllocCoherent(device, 32)
        source.bytes.fill(0x55)
        const block = dmaPoolAlloc(pool)
        assert.ok(block.bytes.every((byte) => byte === 0xa9))
        const address = block.dmaAddress
        dmaPoolFree(pool, block)
        await transfer(device.bar(0), 'to-device', source.dmaAddress, 4)
        await transfer(device.bar(0), 'from-device', dmaAddress(toNumber(address) + 5), 4)
        const found = refusal(() => dmaPoolAlloc(pool), 'DMA_POOL_CORRUPTED', /when the device is done/)
        assert.match(found.message, /byte 5 .*0x55/)
        using next = dmaPoolZalloc(pool)
        assert.notEqual(next.dmaAddress, address)
        refusal(() => pool.handleAt(address), 'DMA_NOT_ALLOCATED')
        assert.ok(next.bytes.every((byte) => byte === 0))
        assert.equal(pool.used, 1, 'the block that was written to is nobody’s')
      }))

    it('takes memory in large pieces, one descriptor each', () =>
      withEdu((device) => {
        const before = kernel.live().descriptors
        using pool = dmaPoolCreate('many', device, 64, 64)
        const handles = Array.from({ length: 20_000 }, () => pool.get())
        assert.equal(new Set(handles.map((handle) => toNumber(pool.addressOf(handle)))).size, 20_000)
        assert.ok(kernel.live().descriptors - before <= 6)
        assert.equal(pool.used, 20_000)
        for (const handle of handles) pool.put(handle)
        const { blocks } = pool
        for (let i = 0; i < 20_000; i++) pool.get()
        assert.equal(pool.blocks, blocks, 'what was freed is used again')
        pool.close()
      }))

    it('tells of blocks in use at its end, and takes them from the device', () =>
      withEdu((device) => {
        const warnings: Error[] = []
        const quiet = kernel as { warn?: (warning: Error) => void }
        quiet.warn = (warning) => warnings.push(warning)
        try {
          const pool = dmaPoolCreate('busy', device, 64)
          const block = dmaPoolAlloc(pool)
          dmaPoolDestroy(pool)
          dmaPoolDestroy(pool)
          assert.deepEqual(
            warnings.map((warning) => (warning as { code?: string }).code),
            ['DMA_POOL_BUSY'],
          )
          assert.deepEqual([pool.closed, block.freed, device.children.size], [true, true, 0])
          refusal(() => block.bytes, 'DMA_CLOSED')
          refusal(() => dmaPoolFree(pool, block), 'DMA_CLOSED')
          refusal(() => dmaPoolAlloc(pool), 'DMA_CLOSED')
          using empty = dmaPoolCreate('empty', device, 64)
          dmaPoolFree(empty, dmaPoolAlloc(empty))
          dmaPoolDestroy(empty)
          assert.equal(warnings.length, 1)
        } finally {
          // The kernel's own is its class's.
          delete quiet.warn
        }
      }))

    it('ends with its device', () =>
      withoutLeaks(host, () => {
        const device = openVfioDevice(host.edu, { kernel })
        device.setMaster()
        dmaSetCoherentMask(device, dmaBitMask(28))
        const pool = dmaPoolCreate('ends', device, 64)
        const handle = pool.get()
        device.clearMaster()
        refusal(() => pool.addressOf(handle), 'DMA_BUS_MASTER_OFF')
        // A block is no address yet.
        pool.put(pool.get())
        device.close()
        assert.equal(pool.closed, true)
        refusal(() => pool.get(), 'DMA_CLOSED')
        refusal(() => pool.put(handle), 'DMA_CLOSED')
        refusal(() => pool.addressOf(handle), 'DMA_CLOSED')
        refusal(() => pool.bytesOf(handle), 'DMA_CLOSED')
        pool[Symbol.dispose]()
        refusal(() => dmaPoolCreate('x', device, 64), 'DMA_CLOSED')
      }))
  })
}
