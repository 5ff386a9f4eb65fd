import { noteForeign, noteWindow } from '@linux-dma/core'
import type { MemoryMapping } from '@linux-dma/native'
import type { DmaBuf } from './dma-buf'

/**
 * Bytes of a dma-buf in this process. They are the buffer's own: what another process or a device writes is seen here, for
 * certain between `beginCpuAccess()` and `endCpuAccess()`, or in {@link DmaBuf.cpuAccess}.
 */
export class DmaBufMapping implements Disposable {
  readonly buffer: DmaBuf
  /** Offset in the buffer of the first byte. */
  readonly offset: number
  /** With `read`, a write through the bytes ends the process. */
  readonly access: 'read' | 'read-write'
  readonly #mapping: MemoryMapping
  readonly #forget: (mapping: DmaBufMapping) => void
  #bytes: Uint8Array | undefined

  /** @internal use {@link DmaBuf.map} */
  constructor(
    buffer: DmaBuf,
    mapping: MemoryMapping,
    offset: number,
    access: 'read' | 'read-write',
    forget: (mapping: DmaBufMapping) => void,
  ) {
    this.buffer = buffer
    this.offset = offset
    this.access = access
    this.#mapping = mapping
    this.#forget = forget
  }

  /** Bytes that are mapped. */
  get size(): number {
    return this.#mapping.byteLength
  }

  get closed(): boolean {
    return this.#mapping.closed
  }

  /** The mapped bytes; after `close()` an old view of them reads zeros. @throws DMA_CLOSED */
  get bytes(): Uint8Array {
    if (this.closed || this.#bytes === undefined) this.#bytes = this.#note()
    return this.#bytes
  }

  /** Takes the bytes from this process; the buffer stays. Idempotent. */
  close(): void {
    this.#mapping.close()
    this.#bytes = undefined
    this.#forget(this)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Says what the bytes are of, for who gives them to a device. */
  #note(): Uint8Array {
    const { bytes } = this.#mapping
    const { memory, memoryOffset, size } = this.buffer
    if (memory) noteWindow(this.#mapping, memory, memoryOffset + this.offset, this.access)
    else {
      noteForeign(
        bytes.buffer,
        `a dma-buf of ${size} bytes, whose pages VFIO cannot pin`,
        'make the buffer of memory that devices can have too, createUdmabuf({ memory: allocateDmaMemory(…) }), or copy',
      )
    }
    return bytes
  }
}
