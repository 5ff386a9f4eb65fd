import { allocateDmaMemory } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import {
  createUdmabuf,
  sendDmaBuf,
  type UdmabufListOptions,
  type UdmabufMemoryOptions,
  type UdmabufOptions,
  type UdmabufPiece,
  type UdmabufSizeOptions,
} from './index'

const { kernel } = createFakeMachine()

/** What the compiler refuses is refused at run time too, by code: the lines below do not compile without their comments. */
function refused(make: () => unknown): void {
  expect(make).toThrow(expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }))
}

describe('the options of createUdmabuf', () => {
  it('say one thing to make the buffer of', () => {
    using memory = allocateDmaMemory({ byteLength: 8192, kernel })
    const list: UdmabufPiece[] = [{ memory }]
    // @ts-expect-error all pieces say how long they are
    refused(() => createUdmabuf({ list, size: 4096 }))
    // @ts-expect-error each piece says where it begins
    refused(() => createUdmabuf({ list, offset: 4096 }))
    // @ts-expect-error memory has its pages already
    refused(() => createUdmabuf({ memory, hugePageSize: 0x20_0000 }))
    // @ts-expect-error one or the other
    refused(() => createUdmabuf({ memory, list }))
    // @ts-expect-error new memory begins at its start
    refused(() => createUdmabuf({ size: 4096, offset: 0, kernel }))
    // @ts-expect-error of something it has to be
    refused(() => createUdmabuf({ kernel }))
    // @ts-expect-error a name that there is not
    refused(() => createUdmabuf({ size: 4096, hugepages: true, kernel }))
  })

  it('say one thing to make a piece of', () => {
    using memory = allocateDmaMemory({ byteLength: 8192, kernel })
    const { fd } = memory
    // @ts-expect-error memory knows its descriptor
    refused(() => createUdmabuf({ list: [{ memory, fd }], kernel }))
    // @ts-expect-error nobody knows how long a memfd is to be
    refused(() => createUdmabuf({ list: [{ fd }], kernel }))
    // @ts-expect-error memory goes into braces
    refused(() => createUdmabuf({ list: [memory], kernel }))
    // @ts-expect-error of something it has to be
    refused(() => createUdmabuf({ list: [{ offset: 0, size: 4096 }], kernel }))
  })

  it('are each of one shape', () => {
    using memory = allocateDmaMemory({ byteLength: 4096, kernel })
    const size: UdmabufSizeOptions = { size: 4096, hugePageSize: 0x20_0000 }
    const part: UdmabufMemoryOptions = { memory: memory.bytes, offset: 0, size: 4096 }
    const list: UdmabufListOptions = { list: [{ memory }, { fd: memory.fd, size: 4096 }] }
    const any: UdmabufOptions[] = [size, part, list]
    expect(any.length).toBe(3)
  })
})

describe('a dma-buf', () => {
  it('is accessed by one of three words, and sent with bytes', async () => {
    using buffer = createUdmabuf({ size: 4096, kernel })
    // @ts-expect-error an access is one of three words
    refused(() => buffer.cpuAccess('rw', () => 1))
    // @ts-expect-error a message is bytes
    await expect(sendDmaBuf(3, buffer, { message: 'text' })).rejects.toMatchObject({
      code: 'DMA_INVALID_ARGUMENT',
    })
  })
})
