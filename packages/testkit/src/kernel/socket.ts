import { POLLHUP, POLLIN, POLLOUT } from '@linux-dma/native'
import { fail } from '../errors'
import type { DescriptorTable } from './descriptor-table'
import { OpenFile } from './open-file'

/** Bytes that may wait on one end, as net.core.wmem_default. */
const bufferBytes = 212_992

/** Bytes and files on their way. */
export interface Message {
  readonly bytes: Uint8Array
  readonly files: readonly OpenFile[]
}

/** One end of a socketpair(AF_UNIX, SOCK_SEQPACKET), non-blocking. */
export class SocketEnd extends OpenFile {
  override readonly seekable = false
  override readonly waitable = true
  readonly #wake: () => void
  readonly #inbox: Message[] = []
  #queuedBytes = 0
  #peer: SocketEnd | undefined

  private constructor(wake: () => void) {
    super('socket')
    this.#wake = wake
  }

  static pair(wake: () => void): [SocketEnd, SocketEnd] {
    const first = new SocketEnd(wake)
    const second = new SocketEnd(wake)
    first.#peer = second
    second.#peer = first
    return [first, second]
  }

  /** Puts one message into the peer's inbox: `EPIPE` when the peer is gone, `EAGAIN` when its inbox is full. */
  send(bytes: Uint8Array, files: readonly OpenFile[]): number {
    const peer = this.#peer
    if (peer === undefined) return fail('EPIPE', 'the other end is closed')
    if (bytes.byteLength > bufferBytes) fail('EMSGSIZE', `a message holds ${bufferBytes} bytes at most`)
    if (peer.#queuedBytes + bytes.byteLength > bufferBytes)
      fail('EAGAIN', 'the other end has not read enough')
    for (const file of files) file.retain()
    peer.#inbox.push({ bytes: bytes.slice(), files })
    peer.#queuedBytes += bytes.byteLength
    this.#wake()
    return bytes.byteLength
  }

  /** The oldest message, whose files the caller has to release; undefined when the peer is gone. `EAGAIN`. */
  receive(): Message | undefined {
    const message = this.#inbox.shift()
    if (message === undefined)
      return this.#peer === undefined ? undefined : fail('EAGAIN', 'nothing has arrived')
    this.#queuedBytes -= message.bytes.byteLength
    this.#wake()
    return message
  }

  /** recv(2): what does not fit is lost, and so are descriptors, as with any datagram. */
  override readAt(bytes: Uint8Array): number {
    const message = this.receive()
    if (message === undefined) return 0
    for (const file of message.files) file.release()
    const part = message.bytes.subarray(0, bytes.byteLength)
    bytes.set(part)
    return part.byteLength
  }

  override writeAt(bytes: Uint8Array): number {
    return this.send(bytes, [])
  }

  override pollMask(): number {
    if (this.#peer === undefined) return POLLIN | POLLOUT | POLLHUP
    const writable = this.#peer.#queuedBytes < bufferBytes
    return (this.#inbox.length > 0 ? POLLIN : 0) | (writable ? POLLOUT : 0)
  }

  protected override onRelease(): void {
    const peer = this.#peer
    if (peer !== undefined) peer.#peer = undefined
    this.#peer = undefined
    for (const { files } of this.#inbox.splice(0)) for (const file of files) file.release()
    this.#wake()
  }
}

/**
 * Gives a message to its receiver: bytes, and a descriptor for each file. A message that does not fit, or whose
 * descriptors do not, is lost whole, and that is an error: `EMSGSIZE`, `EMFILE`.
 */
export function receiveInto(
  bytes: Uint8Array,
  message: Message,
  table: DescriptorTable,
): { byteLength: number; descriptors: number[] } {
  try {
    if (message.bytes.byteLength > bytes.byteLength)
      fail('EMSGSIZE', `the message has ${message.bytes.byteLength} bytes`)
    table.reserve(message.files.length)
    bytes.set(message.bytes)
    return {
      byteLength: message.bytes.byteLength,
      descriptors: message.files.map((file) => table.install(file)),
    }
  } finally {
    for (const file of message.files) file.release()
  }
}
