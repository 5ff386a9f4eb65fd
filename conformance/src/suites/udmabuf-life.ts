import assert from 'node:assert/strict'
import { allocateDmaMemory, DmaError, exportDmaMemory, importDmaMemory } from '@linux-dma/core'
import { F_SEAL_FUTURE_WRITE, F_SEAL_SEAL, F_SEAL_SHRINK } from '@linux-dma/native'
import { createUdmabuf, type DmaBuf } from '@linux-dma/udmabuf'
import { alteredKernel } from '../altered-kernel'
import type { Host, Runner } from '../host'
import { DMA_BUF_SET_NAME_B, rawCreate } from '../raw-dma-buf'
import { refusal, withoutLeaks } from '../with-device'

const SEALED = F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE

/** Memory, the buffers made of it, their mappings and their copies: who outlives whom, and who is sealed. */
export function udmabufLife({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const pages = (count: number) => allocateDmaMemory({ byteLength: count * page, kernel })
  const firstByte = (buffer: DmaBuf) => buffer.cpuAccess('read', (bytes) => bytes[0])

  describe('udmabuf life', () => {
    it('keeps the pages when the memory is closed', () =>
      withoutLeaks(host, () => {
        const memory = pages(2)
        using buffer = createUdmabuf({ memory })
        using mapping = buffer.map()
        memory.bytes[0] = 5
        memory.close()
        assert.deepEqual([mapping.bytes[0], firstByte(buffer)], [5, 5])
        mapping.bytes[0] = 6
        using later = buffer.map({ size: page })
        assert.equal(later.bytes[0], 6)
        using copy = buffer.duplicate()
        assert.equal(copy.memory, undefined, 'what is closed is nobody’s memory')
        assert.equal(firstByte(copy), 6)
      }))

    it('takes its mappings with it, and leaves the memory', () =>
      withoutLeaks(host, () => {
        using memory = pages(1)
        const buffer = createUdmabuf({ memory })
        const mapping = buffer.map()
        buffer.cpuAccess('write', (bytes) => bytes.fill(9))
        buffer.close()
        buffer.close()
        assert.deepEqual([buffer.closed, mapping.closed, memory.bytes[0]], [true, true, 9])
        for (const use of [
          () => mapping.bytes,
          () => buffer.fd,
          () => buffer.map(),
          () => buffer.info(),
          () => buffer.name,
          () => buffer.inode,
          () => buffer.setName('x'),
          () => buffer.cpuAccess('read', () => 1),
          () => buffer.beginCpuAccess('read'),
          () => buffer.endCpuAccess('read'),
          () => buffer.exportSyncFile('read'),
          () => buffer.duplicate(),
        ]) {
          refusal(use, 'DMA_CLOSED')
        }
      }))

    it('gives zeros to who comes late', () =>
      withoutLeaks(host, () => {
        const buffer = createUdmabuf({ size: page, kernel })
        const kept = buffer.map().bytes
        kept.fill(9)
        buffer.close()
        assert.equal(kept[0], 0)
        kept[0] = 1
      }))

    it('leaves a buffer its other mappings when one is closed', () =>
      withoutLeaks(host, () => {
        using buffer = createUdmabuf({ size: page, kernel })
        const first = buffer.map()
        using second = buffer.map()
        first.bytes[0] = 3
        first.close()
        first.close()
        assert.deepEqual([second.bytes[0], firstByte(buffer)], [3, 3])
      }))

    it('outlives its descriptor in a mapping of the kernel’s', () =>
      withoutLeaks(host, () => {
        const fd = kernel.memfd('life', { byteLength: page })
        const buffer = rawCreate(kernel, { fd, size: page })
        using mapping = kernel.mmap(buffer, { byteLength: page })
        kernel.close(buffer)
        mapping.bytes[3] = 7
        const byte = new Uint8Array(1)
        kernel.read(fd, byte, 3)
        assert.equal(byte[0], 7)
        kernel.close(fd)
      }))

    it('lives for as long as one of its copies', () =>
      withoutLeaks(host, () => {
        using memory = pages(1)
        const buffer = createUdmabuf({ memory, name: 'twice' })
        using copy = buffer.duplicate()
        assert.notEqual(copy.fd, buffer.fd)
        assert.deepEqual(
          [copy.inode, copy.size, copy.memory, copy.access],
          [buffer.inode, page, memory, 'read-write'],
        )
        buffer.cpuAccess('write', (bytes) => bytes.fill(4))
        buffer.close()
        assert.deepEqual([firstByte(copy), copy.name], [4, 'twice'])
      }))

    it('is known to the memory while it is open', () =>
      withoutLeaks(host, () => {
        using memory = pages(3)
        using other = pages(1)
        const first = createUdmabuf({ memory, size: page })
        const second = createUdmabuf({ list: [{ memory }, { memory: other }, { memory, size: page }] })
        const copy = second.duplicate()
        assert.deepEqual([...memory.dmaBufs], [first, second, copy])
        assert.deepEqual([...other.dmaBufs], [second, copy])
        first.close()
        copy.close()
        assert.deepEqual([...memory.dmaBufs], [second])
        second.close()
        assert.deepEqual([memory.dmaBufs.size, other.dmaBufs.size], [0, 0])
      }))

    it('seals memory that it is made of by name, so that no hole can part the two', () =>
      withoutLeaks(host, () => {
        using memory = pages(2)
        const handle = exportDmaMemory(memory)
        using buffer = createUdmabuf({ memory })
        assert.equal(kernel.getSeals(memory.fd), SEALED)
        memory.bytes[page] = 8
        assert.equal(
          buffer.cpuAccess('read', (bytes) => bytes[page]),
          8,
          'mappings that were there stay writable',
        )
        refusal(() => importDmaMemory(handle, { kernel }), 'EPERM', /seal: false.*sendDmaBuf/)
        refusal(() => kernel.write(memory.fd, Uint8Array.of(1), 0), 'EPERM')
        const again = refusal(() => createUdmabuf({ memory }), 'DMA_SEALED', /duplicate\(\)/)
        assert.match(again.message, /sealed against writing/)
        refusal(() => createUdmabuf({ memory, size: page }), 'DMA_SEALED')
        buffer.close()
        refusal(() => createUdmabuf({ memory }), 'DMA_SEALED', /seal: false/)
      }))

    it('seals every memory of a list that names all of them', () =>
      withoutLeaks(host, () => {
        using first = pages(2)
        using second = pages(1)
        using buffer = createUdmabuf({ list: [{ memory: first }, { memory: second }] })
        assert.deepEqual(
          [first, second].map(({ fd }) => kernel.getSeals(fd)),
          [SEALED, SEALED],
        )
        assert.equal(buffer.size, 3 * page)
      }))

    it('seals nothing that is more than the buffer, or another’s, unless it is told to', () =>
      withoutLeaks(host, () => {
        using memory = pages(3)
        using whole = pages(1)
        const fd = kernel.memfd('other', { byteLength: page })
        const made = [
          createUdmabuf({ memory, size: page }),
          createUdmabuf({ list: [{ memory, offset: page }, { memory: whole }] }),
          createUdmabuf({ list: [{ memory: whole }, { fd, size: page }] }),
          createUdmabuf({ memory: whole, seal: false }),
          createUdmabuf({ list: [{ fd, size: page }], kernel }),
        ]
        const seals = () => [memory.fd, whole.fd, fd].map((one) => kernel.getSeals(one))
        assert.deepEqual(seals(), [F_SEAL_SHRINK, F_SEAL_SHRINK, F_SEAL_SHRINK])
        made.push(
          createUdmabuf({
            list: [
              { memory, size: page },
              { fd, size: page },
            ],
            seal: true,
          }),
        )
        assert.deepEqual(seals(), [SEALED, F_SEAL_SHRINK, SEALED])
        for (const buffer of made) buffer.close()
        kernel.close(fd)
      }))

    it('seals nothing of which a part is named, were it all of it', () =>
      withoutLeaks(host, () => {
        using memory = pages(2)
        const size = memory.byteLength
        const ways = [
          { memory, offset: 0, size },
          { memory, offset: 0 },
          { memory, size },
          { memory: memory.bytes },
          { list: [{ memory, offset: 0, size }] },
          { list: [{ memory: memory.bytes }] },
          { list: [{ memory }, { memory, size }] },
        ]
        for (const way of ways) createUdmabuf(way).close()
        assert.equal(kernel.getSeals(memory.fd), F_SEAL_SHRINK)
        createUdmabuf({ memory: memory.bytes, seal: true }).close()
        assert.equal(kernel.getSeals(memory.fd), SEALED)
      }))

    it('seals nothing where the name is refused', () =>
      withoutLeaks(host, () => {
        let refuses = true
        const refusing = alteredKernel(kernel, {
          ioctl(fd, request, argument, name) {
            const refused = refuses && request === DMA_BUF_SET_NAME_B
            if (refused) throw new DmaError('EIO', 'no name today', { errno: -5, syscall: 'ioctl' })
            return kernel.ioctl(fd, request, argument, name)
          },
        })
        using memory = allocateDmaMemory({ byteLength: page, kernel: refusing })
        for (const seal of [{}, { seal: true }]) {
          refusal(() => createUdmabuf({ memory, name: 'frame', ...seal }), 'EIO')
          assert.deepEqual([kernel.getSeals(memory.fd), memory.dmaBufs.size], [F_SEAL_SHRINK, 0])
        }
        refuses = false
        using buffer = createUdmabuf({ memory, name: 'frame' })
        assert.deepEqual([buffer.name, kernel.getSeals(memory.fd)], ['frame', SEALED])
      }))

    it('leaves memory whose seals are final as it is, and refuses to seal it', () =>
      withoutLeaks(host, () => {
        using memory = pages(1)
        kernel.addSeals(memory.fd, F_SEAL_SEAL)
        refusal(() => createUdmabuf({ memory, seal: true }), 'DMA_SEALED')
        assert.equal(memory.dmaBufs.size, 0)
        using buffer = createUdmabuf({ memory })
        assert.equal(kernel.getSeals(memory.fd), F_SEAL_SHRINK | F_SEAL_SEAL)
        memory.bytes[0] = 2
        assert.equal(firstByte(buffer), 2)
      }))
  })
}
