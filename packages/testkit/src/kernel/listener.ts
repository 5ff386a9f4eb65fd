import { POLLIN, type SocketType } from '@linux-dma/native'
import { fail } from '../errors'
import { SocketEnd } from './socket'
import { type Received, type SocketParts, UnixSocket } from './unix-socket'

/** net.core.somaxconn. */
const longestBacklog = 4096

/** A socket that others connect to. */
export class Listener extends UnixSocket {
  /** Ends of connections that nobody has accepted yet, oldest first. */
  readonly #waiting: SocketEnd[] = []
  readonly #backlog: number
  #onClose: () => void = () => {}

  constructor(type: SocketType, backlog: number, parts: SocketParts) {
    super(type, parts)
    this.#backlog = Math.min(backlog, longestBacklog)
  }

  /** Runs `onClose` when nobody has the socket open any more, to take its name away. */
  named(onClose: () => void): void {
    this.#onClose = onClose
  }

  /** The near end of a new connection, whose other end waits here. `EAGAIN` where too many do. */
  connect(): SocketEnd {
    // As Linux counts: one more than the backlog says.
    if (this.#waiting.length > this.#backlog) {
      fail(
        'EAGAIN',
        `${this.#waiting.length} connections wait to be accepted`,
        'try again once the other side has accepted some',
      )
    }
    const [near, far] = SocketEnd.pair(this.type, this.parts)
    this.#waiting.push(far.waiting().retain())
    this.parts.wake()
    return near
  }

  /** The oldest connection, with a reference that the caller has to release. `EAGAIN`. */
  accept(): SocketEnd {
    const end = this.#waiting.shift()
    return end?.accept() ?? fail('EAGAIN', 'nobody has connected', 'await kernel.poll(fd, POLLIN) first')
  }

  override checkSend(): void {
    if (this.type === 'seqpacket') this.send()
  }

  override send(): number {
    return fail('ENOTCONN', 'this socket listens', 'send over one of kernel.accept() or kernel.connect()')
  }

  override receive(): Received {
    return fail(this.type === 'stream' ? 'EINVAL' : 'ENOTCONN', 'this socket listens')
  }

  override pollMask(): number {
    return this.#waiting.length > 0 ? POLLIN : 0
  }

  protected override onRelease(): void {
    this.#onClose()
    for (const end of this.#waiting.splice(0)) end.release()
  }
}
