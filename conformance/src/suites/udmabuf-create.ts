import assert from 'node:assert/strict'
import { allocateDmaMemory, type DmaMemory } from '@linux-dma/core'
import { allocateFromHeap, createUdmabuf, type DmaBuf, DmaBufBudget, openUdmabuf } from '@linux-dma/udmabuf'
import { fillPattern } from '../edu'
import type { Host, Runner } from '../host'
import { withHugePages } from '../huge-pages'
import { isInherited } from '../raw-dma-buf'
import { refusal, withoutLeaks } from '../with-device'

const HUGE = 0x20_0000

/** dma-bufs of user memory: of new memory, of memory that there is, of many pieces. */
export function udmabufCreate({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const pages = (count: number) => allocateDmaMemory({ byteLength: count * page, kernel })
  const bytesOf = (buffer: DmaBuf) => buffer.cpuAccess('read', (bytes) => bytes.slice())
  /** What a write through each of them leaves in the others. */
  const shareByte = (buffer: DmaBuf, bufferOffset: number, memory: DmaMemory, memoryOffset: number) => {
    memory.bytes[memoryOffset] = 11
    assert.equal(
      buffer.cpuAccess('read', (bytes) => bytes[bufferOffset]),
      11,
    )
    buffer.cpuAccess('write', (bytes) => {
      bytes[bufferOffset] = 12
    })
    const byte = new Uint8Array(1)
    kernel.read(memory.fd, byte, memoryOffset)
    assert.deepEqual([memory.bytes[memoryOffset], byte[0]], [12, 12])
  }

  describe('udmabuf create', () => {
    it('makes a buffer of new memory: whole pages, zeroed, to read and write', () =>
      withoutLeaks(host, () => {
        using buffer = createUdmabuf({ size: 3 * page - 5, kernel })
        assert.deepEqual(
          [buffer.size, buffer.access, buffer.memory, buffer.name],
          [3 * page, 'read-write', undefined, undefined],
        )
        const { references, ...info } = buffer.info()
        assert.ok(references >= 1)
        assert.deepEqual(info, {
          size: 3 * page,
          exporter: 'udmabuf',
          name: undefined,
          inode: buffer.inode,
          access: 'read-write',
        })
        assert.ok(bytesOf(buffer).every((byte) => byte === 0))
        buffer.cpuAccess('write', (bytes) => fillPattern(bytes, 3))
        const pattern = new Uint8Array(3 * page)
        fillPattern(pattern, 3)
        assert.deepEqual(bytesOf(buffer), pattern)
      }))

    it('shows the same bytes to every mapping of it', () =>
      withoutLeaks(host, () => {
        using buffer = createUdmabuf({ size: 4 * page, kernel })
        using whole = buffer.map()
        using part = buffer.map({ offset: page, size: 2 * page })
        using seen = buffer.map({ access: 'read', offset: 2 * page })
        assert.deepEqual(
          [whole.size, part.size, seen.size, seen.offset],
          [4, 2, 2, 2].map((n) => n * page),
        )
        whole.bytes[2 * page + 7] = 1
        assert.deepEqual([part.bytes[page + 7], seen.bytes[7]], [1, 1])
        part.bytes[0] = 2
        assert.equal(whole.bytes[page], 2)
        buffer.cpuAccess('read-write', (bytes) => {
          assert.deepEqual([bytes[page], bytes[2 * page + 7]], [2, 1])
        })
      }))

    it('makes one of huge pages', () =>
      withHugePages(host, 2, (hugePageSize) =>
        withoutLeaks(host, () => {
          using buffer = createUdmabuf({ size: HUGE + 1, hugePageSize, kernel })
          assert.equal(buffer.size, 2 * HUGE)
          buffer.cpuAccess('write', (bytes) => {
            bytes[2 * HUGE - 1] = 5
          })
          using mapping = buffer.map({ offset: HUGE })
          assert.equal(mapping.bytes[HUGE - 1], 5)
        }),
      ))

    it('shows all of the memory that it is made of', () =>
      withoutLeaks(host, () => {
        using memory = pages(3)
        fillPattern(memory.bytes, 9)
        using buffer = createUdmabuf({ memory })
        assert.deepEqual([buffer.memory, buffer.memoryOffset, buffer.size], [memory, 0, 3 * page])
        assert.deepEqual(bytesOf(buffer), memory.bytes.slice())
        shareByte(buffer, 2 * page + 1, memory, 2 * page + 1)
      }))

    it('shows a part of it: by offset and size, by a view, by part of a view', () =>
      withoutLeaks(host, () => {
        using memory = pages(6)
        const view = new Uint16Array(memory.bytes.buffer, memory.bytes.byteOffset + page, (4 * page) / 2)
        for (const [options, start, count] of [
          [{ memory, offset: 4 * page }, 4, 2],
          [{ memory, offset: page, size: page }, 1, 1],
          [{ memory, size: 2 * page }, 0, 2],
          [{ memory: view }, 1, 4],
          [{ memory: view, offset: page, size: 2 * page }, 2, 2],
          [{ memory: memory.bytes.subarray(5 * page) }, 5, 1],
        ] as const) {
          using buffer = createUdmabuf(options)
          assert.deepEqual(
            [buffer.memory, buffer.memoryOffset, buffer.size],
            [memory, start * page, count * page],
          )
          shareByte(buffer, count * page - 1, memory, (start + count) * page - 1)
        }
      }))

    it('shows a part of huge pages, to the base page', () =>
      withoutLeaks(host, () => {
        using memory = allocateDmaMemory({ byteLength: 2 * HUGE, hugePageSize: HUGE, kernel })
        using buffer = createUdmabuf({ memory, offset: HUGE - page, size: 2 * page })
        shareByte(buffer, 0, memory, HUGE - page)
        shareByte(buffer, page, memory, HUGE)
        using all = createUdmabuf({ memory })
        shareByte(all, 2 * HUGE - 1, memory, 2 * HUGE - 1)
      }))

    it('joins pieces of several memfds, in the order of the list', () =>
      withoutLeaks(host, () => {
        using first = pages(4)
        using second = pages(2)
        const third = kernel.memfd('third', { byteLength: 3 * page })
        fillPattern(first.bytes, 1)
        fillPattern(second.bytes, 2)
        kernel.write(third, new Uint8Array(3 * page).fill(0x77), 0)
        using buffer = createUdmabuf({
          list: [
            { memory: first, offset: 3 * page, size: page },
            { fd: third, offset: page, size: 2 * page },
            { memory: second },
            { memory: first.bytes.subarray(0, page) },
          ],
          kernel,
        })
        // The buffer has the pages: nobody needs the descriptor for it any more.
        kernel.close(third)
        assert.deepEqual([buffer.size, buffer.memory], [6 * page, undefined])
        const bytes = bytesOf(buffer)
        assert.deepEqual(bytes.slice(0, page), first.bytes.slice(3 * page))
        assert.ok(bytes.subarray(page, 3 * page).every((byte) => byte === 0x77))
        assert.deepEqual(bytes.slice(3 * page, 5 * page), second.bytes.slice())
        assert.deepEqual(bytes.slice(5 * page), first.bytes.slice(0, page))
        shareByte(buffer, 5, first, 3 * page + 5)
        shareByte(buffer, 5 * page - 1, second, 2 * page - 1)
        shareByte(buffer, 5 * page, first, 0)
      }))

    it('has one page as often as it is asked for', () =>
      withoutLeaks(host, () => {
        using memory = pages(2)
        const piece = { memory, offset: page, size: page }
        using buffer = createUdmabuf({ list: Array.from({ length: 1024 }, () => piece) })
        assert.equal(buffer.size, 1024 * page)
        buffer.cpuAccess('write', (bytes) => {
          bytes[700 * page + 1] = 42
        })
        const bytes = bytesOf(buffer)
        for (let index = 0; index < 1024; index++) assert.equal(bytes[index * page + 1], 42)
        shareByte(buffer, 1023 * page, memory, page)
      }))

    it('sees what is written to the memory after it was made, by its bytes and by its descriptor', () =>
      withoutLeaks(host, () => {
        using memory = pages(16)
        const list = [0, 4, 8, 12].map((index) => ({ memory, offset: index * page, size: 2 * page }))
        using buffer = createUdmabuf({ list })
        memory.bytes.fill(0x62)
        assert.ok(bytesOf(buffer).every((byte) => byte === 0x62))
        kernel.write(memory.fd, Uint8Array.of(13), 5 * page)
        assert.equal(bytesOf(buffer)[3 * page], 13)
      }))

    it('is open in no process that this one starts', () =>
      withoutLeaks(host, () => {
        using memory = pages(2)
        using one = createUdmabuf({ memory, size: page })
        using several = createUdmabuf({ list: [{ memory, size: page }, { memory }] })
        using fresh = createUdmabuf({ size: page, kernel })
        using copy = fresh.duplicate()
        for (const { fd } of [one, several, fresh, copy]) assert.equal(isInherited(kernel, fd), false)
      }))

    it('has the name that it is given, for all who have it', () =>
      withoutLeaks(host, () => {
        using buffer = createUdmabuf({ size: page, name: 'frame 0', kernel })
        using copy = buffer.duplicate()
        assert.deepEqual([buffer.name, copy.name], ['frame 0', 'frame 0'])
        assert.equal(kernel.readLink(`/proc/self/fd/${buffer.fd}`), '/dmabuf:frame 0')
        const longest = `${'é'.repeat(15)}z`
        copy.setName(longest)
        assert.equal(buffer.name, longest)
        for (const name of [' two  spaces ', 'size:\t9', 'a\u2028b', 'tab\t']) {
          buffer.setName(name)
          assert.equal(copy.name, name)
        }
        buffer.setName('')
        assert.equal(copy.name, undefined)
        for (const name of [`${longest}z`, 'a\0b', 'a\nb', 7 as never]) {
          refusal(() => buffer.setName(name), 'DMA_INVALID_ARGUMENT', /31 bytes/)
          refusal(() => createUdmabuf({ size: page, name, kernel }), 'DMA_INVALID_ARGUMENT', /31 bytes/)
        }
      }))

    it('counts against a budget, and is not made beyond it', () =>
      withoutLeaks(host, () => {
        const budget = new DmaBufBudget(4 * page)
        using memory = pages(4)
        const first = createUdmabuf({ size: page + 1, budget, kernel })
        using second = createUdmabuf({ memory, size: page, budget })
        using copy = second.duplicate()
        assert.deepEqual([budget.used, copy.size], [3 * page, page])
        const refused = refusal(
          () => createUdmabuf({ memory, size: 2 * page, budget }),
          'DMA_BUDGET',
          /close/,
        )
        assert.match(refused.message, new RegExp(`${3 * page} in use`))
        refusal(() => createUdmabuf({ size: 2 * page, budget, kernel }), 'DMA_BUDGET')
        assert.equal(budget.used, 3 * page)
        first.close()
        first.close()
        assert.equal(budget.used, page)
        createUdmabuf({ memory, offset: page, budget }).close()
        // What the kernel refuses is not counted either.
        const failing = () => createUdmabuf({ list: Array(1025).fill({ memory, size: page }), budget })
        refusal(failing, 'DMA_BUDGET')
        refusal(() => createUdmabuf({ list: [{ fd: 9999, size: page }], budget, kernel }), 'DMA_NOT_MEMFD')
        assert.equal(budget.used, page)
      }))

    it('counts until the last duplicate is closed, and once for all of them', () =>
      withoutLeaks(host, () => {
        const budget = new DmaBufBudget(2 * page)
        using memory = pages(1)
        const makers = [
          () => createUdmabuf({ size: page, budget, kernel }),
          () => createUdmabuf({ memory, seal: false, budget }),
          () => allocateFromHeap('system', page, { budget, kernel }),
        ]
        for (const make of makers) {
          const first = make()
          const second = first.duplicate()
          const third = second.duplicate()
          assert.equal(budget.used, page)
          for (const one of [second, first]) {
            one.close()
            one.close()
            assert.equal(budget.used, page)
          }
          refusal(() => createUdmabuf({ size: 2 * page, budget, kernel }), 'DMA_BUDGET')
          third.close()
          assert.equal(budget.used, 0)
        }
      }))

    it('is made by one open device, many times, and does not need it any more', () =>
      withoutLeaks(host, () => {
        const device = openUdmabuf({ kernel })
        assert.deepEqual(device.limits, { size: 64 * 1024 * 1024, pieces: 1024 })
        using memory = pages(1)
        const buffers = Array.from({ length: 10 }, () => device.create({ size: page }))
        using shown = device.create({ memory })
        device.close()
        device.close()
        assert.equal(device.closed, true)
        refusal(() => device.create({ size: page }), 'DMA_CLOSED', /openUdmabuf/)
        shareByte(shown, 0, memory, 0)
        assert.equal(new Set(buffers.map(({ inode }) => inode)).size, 10)
        for (const buffer of buffers) buffer.close()
      }))
  })
}
