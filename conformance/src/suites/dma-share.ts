import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  type DmaMemoryHandle,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMaskAndCoherent,
  exportDmaMemory,
  importDmaMemory,
} from '@linux-dma/core'
import { F_SEAL_SHRINK, F_SEAL_WRITE, O_RDWR, POLLIN } from '@linux-dma/native'
import { openVfioDevice } from '@linux-dma/vfio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const { ToDevice } = DmaDirection

/** A program of its own on each side: a device in the one, the bytes filled by the other. `OTHER` is replaced. */
const sharingProgram = `
  import assert from 'node:assert/strict'
  import { spawn } from 'node:child_process'
  import { Worker, isMainThread, parentPort } from 'node:worker_threads'
  import { POLLIN } from '@linux-dma/native'
  import * as dma from '@linux-dma/core'
  import { openVfioDevice } from '@linux-dma/vfio'
  const kernel = dma.linuxKernel()
  const here = new URL(import.meta.url)
  const fill = (handle) => {
    const memory = dma.importDmaMemory(handle, { kernel })
    memory.bytes.forEach((_, i) => { memory.bytes[i] = i * 7 + 3 })
    assert.equal(dma.exportDmaMemory(memory).inode, handle.inode)
    return memory
  }
  async function byWorker(memory) {
    const worker = new Worker(here)
    worker.postMessage(dma.exportDmaMemory(memory))
    const left = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    // Whatever it left open is closed with it, and nothing of this thread's.
    await worker.terminate()
    return left
  }
  async function byProcess(memory) {
    const [mine, theirs] = kernel.socketPair()
    const child = spawn(process.execPath, [here.pathname, 'child'], { stdio: ['ignore', 'inherit', 'inherit', theirs] })
    kernel.close(theirs)
    const bytes = new TextEncoder().encode(JSON.stringify(dma.exportDmaMemory(memory)))
    kernel.sendMessage(mine, bytes, [memory.fd])
    const status = await new Promise((resolve) => child.once('exit', resolve))
    assert.equal(status, 0)
    kernel.close(mine)
  }
  async function use() {
    // Node 20 knows no 'using'.
    const device = openVfioDevice('EDU', { kernel })
    device.setMaster()
    dma.dmaSetMaskAndCoherent(device, dma.dmaBitMask(28))
    const memory = dma.allocateDmaMemory({ byteLength: 8192, kernel })
    await OTHER(memory)
    const source = dma.dmaMapSingle(device, memory.bytes.subarray(4096, 8192), dma.DmaDirection.ToDevice)
    const target = dma.dmaAllocCoherent(device, 4096)
    const registers = device.bar(0)
    const move = async (from, to, command) => {
      registers.writeAddress(0x80, from)
      registers.writeAddress(0x88, to)
      registers.write32(0x90, 4095)
      registers.write32(0x98, command)
      await registers.pollUntil(0x98, (value) => (value & 1) === 0, { timeoutMilliseconds: 5000 })
    }
    await move(source.dmaAddress, dma.dmaAddress(0x40000), 1)
    await move(dma.dmaAddress(0x40000), target.dmaAddress, 3)
    for (let i = 0; i < 4095; i++) assert.equal(target.bytes[i], ((4096 + i) * 7 + 3) & 0xff)
    memory.close()
    device.close()
  }
  if (!isMainThread) {
    parentPort.once('message', (handle) => { fill(handle); parentPort.postMessage(kernel.live()) })
  } else if (process.argv[2] === 'child') {
    await kernel.poll(3, POLLIN)
    const bytes = new Uint8Array(1024)
    const { byteLength, descriptors } = kernel.receiveMessage(3, bytes)
    const handle = JSON.parse(new TextDecoder().decode(bytes.subarray(0, byteLength)))
    const memory = fill({ ...handle, fd: descriptors[0] })
    kernel.close(descriptors[0])
    memory.close()
  } else {
    await use()
    const { descriptors, mappings } = kernel.live()
    assert.deepEqual([descriptors, mappings], [0, 0])
    console.log('shared')
  }
`

/** One memory in several hands: devices, threads, processes. */
export function dmaShare({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, runProcess } = host
  const page = kernel.pageSize

  describe('dma share', () => {
    it('gives the same pages to two devices', () =>
      withDevice(host, async (edu) => {
        using nvme = openVfioDevice(host.nvme, { kernel })
        edu.setMaster()
        nvme.setMaster()
        dmaSetMaskAndCoherent(edu, dmaBitMask(28))
        using allocation = dmaAllocCoherent(nvme, page)
        using region = createDmaRegion(edu, { memory: allocation.memory })
        fillPattern(allocation.bytes, 11)
        const sent = allocation.bytes.slice(0, 1000)
        await transfer(edu.bar(0), 'to-device', region.addressAt(0, 1000), 1000)
        allocation.bytes.fill(0)
        await transfer(edu.bar(0), 'from-device', region.addressAt(500, 1000), 1000)
        assert.deepEqual(allocation.bytes.slice(500, 1500), sent)
        nvme.close()
        assert.equal(region.closed, true, 'the memory is the allocation’s, and goes with it')
      }))

    it('carries memory over a socket, with a life of its own', () =>
      withDevice(host, async (edu) => {
        edu.setMaster()
        dmaSetMaskAndCoherent(edu, dmaBitMask(28))
        const [left, right] = kernel.socketPair()
        const exported = allocateDmaMemory({ byteLength: 2 * page, kernel })
        fillPattern(exported.bytes, 5)
        const sent = new TextEncoder().encode(JSON.stringify(exportDmaMemory(exported)))
        kernel.sendMessage(left, sent, [exported.fd])
        await kernel.poll(right, POLLIN)
        const bytes = new Uint8Array(1024)
        const { byteLength, descriptors } = kernel.receiveMessage(right, bytes)
        const handle: DmaMemoryHandle = JSON.parse(new TextDecoder().decode(bytes.subarray(0, byteLength)))
        const fd = descriptors[0]!
        using imported = importDmaMemory({ ...handle, fd }, { kernel })
        for (const open of [fd, left, right]) kernel.close(open)
        assert.notEqual(imported.fd, fd)
        assert.deepEqual(imported.bytes, exported.bytes)
        imported.bytes[0] = 99
        assert.equal(exported.bytes[0], 99)
        exported.close()
        assert.equal(imported.bytes[0], 99, 'the exporter’s end is not the importer’s')
        using mapping = dmaMapSingle(edu, imported.bytes.subarray(0, 64), ToDevice)
        using target = dmaAllocCoherent(edu, 64)
        await transfer(edu.bar(0), 'to-device', mapping.dmaAddress, 64)
        await transfer(edu.bar(0), 'from-device', target.dmaAddress, 64)
        assert.deepEqual(target.bytes, imported.bytes.slice(0, 64))
      }))

    it('exports what is made of memory, and imports what was imported', () =>
      withDevice(host, (edu) => {
        edu.setMaster()
        using region = createDmaRegion(edu, { byteLength: page })
        using coherent = dmaAllocCoherent(edu, 100)
        using streaming = dmaAllocNoncoherent(edu, 100, ToDevice)
        for (const source of [region, coherent, streaming, region.memory]) {
          const handle = structuredClone(exportDmaMemory(source))
          assert.equal(handle.byteLength, page)
          using first = importDmaMemory(handle, { kernel })
          using second = importDmaMemory(exportDmaMemory(first), { kernel })
          second.bytes[7] = 70
          assert.equal(('memory' in source ? source.memory : source).bytes[7], 70)
          assert.equal(kernel.getSeals(second.fd) & F_SEAL_SHRINK, F_SEAL_SHRINK)
        }
      }))

    it('shares huge pages', () =>
      withoutLeaks(host, () => {
        using memory = allocateDmaMemory({ byteLength: 0x20_0000, hugePageSize: 0x20_0000, kernel })
        memory.bytes[0x1f_ffff] = 3
        using imported = importDmaMemory(exportDmaMemory(memory), { kernel })
        assert.deepEqual([imported.hugePageSize, imported.bytes[0x1f_ffff]], [0x20_0000, 3])
        // Base pages are never taken for huge ones, nor those for larger ones.
        using base = allocateDmaMemory({ byteLength: 0x20_0000, kernel })
        using two = allocateDmaMemory({ byteLength: 0x40_0000, hugePageSize: 0x20_0000, kernel })
        const lie = { ...exportDmaMemory(base), hugePageSize: 0x20_0000 }
        refusal(() => importDmaMemory(lie, { kernel }), 'DMA_INVALID_ARGUMENT')
        const larger = { ...exportDmaMemory(two), hugePageSize: 0x40_0000 }
        refusal(() => importDmaMemory(larger, { kernel }), 'DMA_INVALID_ARGUMENT')
      }))

    it('refuses descriptors that are closed, or of another file by now', () =>
      withoutLeaks(host, () => {
        const memory = allocateDmaMemory({ byteLength: page, kernel })
        const handle = exportDmaMemory(memory)
        memory.close()
        refusal(() => importDmaMemory(handle, { kernel }), 'DMA_NOT_SHARED', /keep the exported memory open/)
        refusal(() => exportDmaMemory(memory), 'DMA_CLOSED')
        // The lowest free number is given out again.
        using other = allocateDmaMemory({ byteLength: page, kernel })
        assert.equal(other.fd, handle.fd)
        refusal(() => importDmaMemory(handle, { kernel }), 'DMA_NOT_SHARED')
      }))

    it('refuses what is no memfd, by its name', () =>
      withoutLeaks(host, () => {
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        const handle = exportDmaMemory(memory)
        const eventfd = kernel.eventfd()
        const sockets = kernel.socketPair()
        const container = kernel.open('/dev/vfio/vfio', O_RDWR)
        for (const [fd, name] of [
          [eventfd, /eventfd/],
          [sockets[0], /socket/],
          [container, /\/dev\/vfio\/vfio/],
        ] as const) {
          const error = refusal(() => importDmaMemory({ ...handle, fd }, { kernel }), 'DMA_NOT_DMA_MEMORY')
          assert.match(error.message, name)
        }
        for (const fd of [eventfd, ...sockets, container]) kernel.close(fd)
      }))

    it('refuses handles that nobody made, lengths that the file has not, and memory that is read-only', () =>
      withoutLeaks(host, () => {
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        const handle = exportDmaMemory(memory)
        const importing = (change: object) => () =>
          importDmaMemory({ ...handle, ...change } as DmaMemoryHandle, { kernel })
        refusal(importing({ byteLength: 2 * page }), 'DMA_RANGE')
        for (const wrong of [
          { fd: -1 },
          { fd: '3' },
          { fd: 0.5 },
          { byteLength: 0 },
          { byteLength: page - 1 },
          { byteLength: 2 ** 53 },
          { byteLength: Number.NaN },
          { hugePageSize: 0 },
          { hugePageSize: 3 * page, byteLength: 3 * page },
          { hugePageSize: page / 2 },
          { inode: undefined },
          { length: 5 },
        ]) {
          refusal(importing(wrong), 'DMA_INVALID_ARGUMENT')
        }
        for (const nothing of [undefined, null, 5]) {
          refusal(() => importDmaMemory(nothing as never, { kernel }), 'DMA_INVALID_ARGUMENT')
          refusal(() => exportDmaMemory(nothing as never), 'DMA_INVALID_ARGUMENT')
        }
        const fd = kernel.memfd('sealed', { byteLength: page })
        kernel.addSeals(fd, F_SEAL_WRITE)
        const inode = Number(/^ino:\s+(\d+)/m.exec(kernel.readText(`/proc/self/fdinfo/${fd}`))?.[1])
        refusal(importing({ fd, inode }), 'EPERM')
        kernel.close(fd)
      }))

    for (const [who, other] of [
      ['a worker', 'byWorker'],
      ['another process', 'byProcess'],
    ] as const) {
      const title = `is filled by ${who} for a device of this one`
      if (!runProcess) {
        skip(title, 'the fake machine has one process and one thread')
        continue
      }
      it(title, () =>
        withoutLeaks(host, async () => {
          const source = sharingProgram.replace('EDU', host.edu).replace('OTHER(', `${other}(`)
          const { status, output } = await runProcess(source)
          assert.deepEqual([status, output.trim()], [0, 'shared'], output)
        }),
      )
    }
  })
}
