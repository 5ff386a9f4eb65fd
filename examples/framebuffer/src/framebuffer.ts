import { allocateDmaMemory, closeAll, type DmaMemory, type Kernel } from '@linux-dma/core'
import { createUdmabuf, type DmaBuf } from '@linux-dma/udmabuf'
import { byteLengthOf, type FrameFormat } from './format'

/** A part of the memory that a framebuffer is made of: whole pages. */
interface Piece {
  readonly memory: DmaMemory
  /** Bytes from the start of that memory. */
  readonly offset: number
  readonly size: number
}

/** Memory that a buffer is scattered over, as a guest's pages are over the banks of a virtual machine. */
const BANKS = 3
/** Pages in one piece and the next, over and over. */
const PIECE_PAGES = [1, 3, 8, 2, 16, 5, 32, 64] as const

/** Room for a frame in scattered pieces of several memfds, and one dma-buf of all of them. */
export class Framebuffer implements Disposable {
  /** What others are sent, and what this process draws into. */
  readonly buffer: DmaBuf
  /** What it is made of, in the order of the frame's bytes. */
  readonly pieces: readonly Piece[]
  readonly #banks: readonly DmaMemory[]

  /** @throws what {@link createUdmabuf} and `allocateDmaMemory()` throw; nothing is left behind */
  constructor(kernel: Kernel, format: FrameFormat, name: string) {
    const pages = Math.ceil(byteLengthOf(format) / kernel.pageSize)
    const layout = scatter(pages, kernel.pageSize)
    const banks: DmaMemory[] = []
    try {
      for (const byteLength of layout.banks) banks.push(allocateDmaMemory({ byteLength, kernel }))
      this.pieces = layout.pieces.map(({ bank, ...place }) => ({ memory: banks[bank]!, ...place }))
      // Sealed: who has the memfds can no longer punch a hole that the buffer would not notice.
      this.buffer = createUdmabuf({ list: this.pieces, name, seal: true })
    } catch (error) {
      closeAll(banks.map((bank) => () => bank.close()))
      throw error
    }
    this.#banks = banks
  }

  close(): void {
    closeAll([() => this.buffer.close(), ...this.#banks.map((bank) => () => bank.close())])
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Pieces of many sizes, from one bank after the other, each bank filled from its end: no two of them are neighbours. */
function scatter(pages: number, pageSize: number) {
  const parts: { bank: number; size: number }[] = []
  for (let left = pages; left > 0; ) {
    const count = Math.min(left, PIECE_PAGES[parts.length % PIECE_PAGES.length]!)
    parts.push({ bank: parts.length % BANKS, size: count * pageSize })
    left -= count
  }
  const free = Array.from({ length: Math.min(BANKS, parts.length) }, (_, bank) =>
    parts.reduce((sum, part) => (part.bank === bank ? sum + part.size : sum), 0),
  )
  const banks = [...free]
  const pieces = parts.map(({ bank, size }) => {
    free[bank]! -= size
    return { bank, offset: free[bank]!, size }
  })
  return { banks, pieces }
}
