import { POLLERR, POLLHUP, POLLIN, POLLOUT, type SocketType } from '@linux-dma/native'
import { fail } from '../errors'
import type { OpenFile } from './open-file'
import { Parcel } from './parcel'
import { longestMessage, longestPiece, memoryOf, sendBufferBytes } from './socket-memory'
import { type Received, type SocketParts, UnixSocket } from './unix-socket'

const nothing: Received = { byteLength: 0, files: [], truncated: false }

/** One end of a connection. */
export class SocketEnd extends UnixSocket {
  readonly #inbox: Parcel[] = []
  #peer: SocketEnd | undefined
  /** Memory of what the other end has not read yet. */
  #sentMemory = 0
  /** The other end was closed and had not read everything: told once. */
  #reset = false
  /** Whether anybody has this end: one that waits in a backlog is nobody's yet. */
  #accepted = true

  static pair(type: SocketType, parts: SocketParts): [SocketEnd, SocketEnd] {
    const first = new SocketEnd(type, parts)
    const second = new SocketEnd(type, parts)
    first.#peer = second
    second.#peer = first
    return [first, second]
  }

  /** The end of a connection that waits to be accepted. */
  waiting(): this {
    this.#accepted = false
    return this
  }

  accept(): this {
    this.#accepted = true
    return this
  }

  /** Bytes taken: all of a message, or as many of a stream as there is room for. `EPIPE`, `ECONNRESET`, `EAGAIN`. */
  override send(bytes: Uint8Array, files: readonly OpenFile[]): number {
    return this.type === 'stream' ? this.#sendPieces(bytes, files) : this.#sendMessage(bytes, files)
  }

  override checkSend(): void {
    if (this.type === 'seqpacket') this.#throwReset()
  }

  #sendPieces(bytes: Uint8Array, files: readonly OpenFile[]): number {
    const peer = this.#connected()
    let sent = 0
    while (sent < bytes.byteLength) {
      if (this.#sentMemory >= sendBufferBytes) break
      const piece = bytes.subarray(sent, sent + longestPiece)
      // Descriptors go with the first byte.
      this.#post(peer, piece, sent === 0 ? files : [])
      sent += piece.byteLength
    }
    if (sent === 0 && bytes.byteLength > 0) this.#full()
    return sent
  }

  #sendMessage(bytes: Uint8Array, files: readonly OpenFile[]): number {
    // Also by write(2), which has no descriptors.
    this.#throwReset()
    if (bytes.byteLength > longestMessage) fail('EMSGSIZE', `a message has ${longestMessage} bytes at most`)
    const peer = this.#connected()
    if (this.#sentMemory >= sendBufferBytes) this.#full()
    this.#post(peer, bytes, files)
    return bytes.byteLength
  }

  #connected(): SocketEnd {
    return this.#peer ?? fail('EPIPE', 'the other end is closed')
  }

  #full(): never {
    return fail('EAGAIN', 'the other end has not read enough', 'await kernel.poll(fd, POLLOUT) first')
  }

  #throwReset(): void {
    if (!this.#reset) return
    this.#reset = false
    fail('ECONNRESET', 'the other end was closed with something unread in it')
  }

  #post(peer: SocketEnd, bytes: Uint8Array, files: readonly OpenFile[]): void {
    const parcel = new Parcel(bytes, files, memoryOf(this.type, bytes.byteLength), this.parts.process)
    peer.#inbox.push(parcel)
    this.#sentMemory += parcel.memory
    this.parts.wake()
  }

  /** What has arrived; nothing at the end. `EAGAIN`, `ECONNRESET`. */
  override receive(bytes: Uint8Array): Received {
    // A stream gives what it has before it tells of the end, a seqpacket socket after it.
    if (this.type === 'seqpacket' || this.#inbox.length === 0) this.#throwReset()
    if (this.#inbox.length === 0) {
      return this.#peer === undefined
        ? nothing
        : fail('EAGAIN', 'nothing has arrived', 'await kernel.poll(fd, POLLIN) first')
    }
    return this.type === 'stream' ? this.#receivePieces(bytes) : this.#receiveMessage(bytes)
  }

  #receiveMessage(bytes: Uint8Array): Received {
    const parcel = this.#inbox[0]!
    const part = parcel.bytes.subarray(0, bytes.byteLength)
    const truncated = part.byteLength < parcel.bytes.byteLength
    bytes.set(part)
    const files = parcel.takeFiles()
    this.#consumed(parcel)
    return { byteLength: part.byteLength, files, truncated }
  }

  /** Glues pieces together, up to the end of one that brought files: those of two never come as one. */
  #receivePieces(bytes: Uint8Array): Received {
    let byteLength = 0
    let files: readonly OpenFile[] = []
    while (byteLength < bytes.byteLength && files.length === 0) {
      const parcel = this.#inbox[0]
      if (parcel === undefined) break
      const part = parcel.bytes.subarray(0, bytes.byteLength - byteLength)
      bytes.set(part, byteLength)
      byteLength += part.byteLength
      files = parcel.takeFiles()
      parcel.bytes = parcel.bytes.subarray(part.byteLength)
      if (parcel.bytes.byteLength === 0) this.#consumed(parcel)
    }
    return { byteLength, files, truncated: false }
  }

  #consumed(parcel: Parcel): void {
    this.#inbox.shift()
    if (this.#peer !== undefined) this.#peer.#sentMemory -= parcel.memory
    this.parts.wake()
  }

  protected override filesToReceive(): number {
    return this.#inbox.reduce((count, parcel) => count + parcel.fileCount, 0)
  }

  override pollMask(): number {
    const ended = this.#peer === undefined ? POLLIN | POLLHUP : 0
    const readable = this.#inbox.length > 0 ? POLLIN : 0
    // Not before three quarters of the buffer are free: a sender is not woken for each message that is read.
    const writable = this.#sentMemory * 4 <= sendBufferBytes ? POLLOUT : 0
    return ended | readable | writable | (this.#reset ? POLLERR : 0)
  }

  protected override onRelease(): void {
    const peer = this.#peer
    this.#peer = undefined
    if (peer !== undefined) {
      peer.#peer = undefined
      peer.#sentMemory = 0
      if (this.#inbox.length > 0 || !this.#accepted) peer.#reset = true
    }
    for (const parcel of this.#inbox.splice(0)) parcel.drop()
    this.parts.wake()
  }
}
