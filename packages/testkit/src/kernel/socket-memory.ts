import type { SocketType } from '@linux-dma/native'

// What the kernel counts for a message is what it allocates: a header, and the bytes with a trailer in a power of two
// or in pages. A small message thus takes much more of a sender's buffer than its bytes.

/** net.core.wmem_default: what a socket may have on its way, in bytes of the kernel's memory. */
export const sendBufferBytes = 212_992
/** The longest message of a seqpacket socket. */
export const longestMessage = sendBufferBytes - 32

const pageBytes = 4096
const headerBytes = 256
const trailerBytes = 320
/** Bytes that a stream puts into one allocation: the rest goes into pages. */
const streamHead = pageBytes - trailerBytes
/** The pieces that a stream is cut into. */
export const longestPiece = streamHead + 32_768
const messageHead = 4 * pageBytes - trailerBytes
const pagesOfMessage = 17

/** Bytes of the kernel's memory that a message, or a piece of a stream, takes while it is on its way. */
export function memoryOf(type: SocketType, byteLength: number): number {
  const paged = type === 'stream' ? pagedOfStream(byteLength) : pagedOfMessage(byteLength)
  const head = 2 ** Math.ceil(Math.log2(byteLength - paged + trailerBytes))
  return headerBytes + head + wholePages(paged)
}

function pagedOfStream(byteLength: number): number {
  return Math.min(byteLength, wholePages(Math.max(0, byteLength - streamHead)))
}

function pagedOfMessage(byteLength: number): number {
  const beyond = Math.max(0, byteLength - messageHead)
  return wholePages(Math.min(beyond, pagesOfMessage * pageBytes))
}

function wholePages(byteLength: number): number {
  return Math.ceil(byteLength / pageBytes) * pageBytes
}
