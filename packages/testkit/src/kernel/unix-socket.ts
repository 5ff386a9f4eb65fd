import type { SocketType } from '@linux-dma/native'
import type { FakeProcess } from '../process'
import { OpenFile } from './open-file'

/** What sockets need of the machine. */
export interface SocketParts {
  readonly process: FakeProcess
  wake(): void
  nextInode(): number
}

/** What one receive has brought. The files are the receiver's to release. */
export interface Received {
  readonly byteLength: number
  readonly files: readonly OpenFile[]
  /** Whether the message was longer than what it was received into: its rest is lost. */
  readonly truncated: boolean
}

/** A socket of AF_UNIX, non-blocking: what connected and listening ones have in common. */
export abstract class UnixSocket extends OpenFile {
  override readonly seekable = false
  override readonly waitable = true
  readonly #inode: number

  constructor(
    readonly type: SocketType,
    protected readonly parts: SocketParts,
  ) {
    super('socket')
    this.#inode = parts.nextInode()
  }

  override get inode(): number {
    return this.#inode
  }

  override get linkText(): string {
    return `socket:[${this.#inode}]`
  }

  /** O_RDWR and O_NONBLOCK. */
  override get statusFlags(): number {
    return 0o4002
  }

  override get infoLines(): readonly string[] {
    return [`scm_fds: ${this.filesToReceive()}`]
  }

  /** Descriptors that wait to be received. */
  protected filesToReceive(): number {
    return 0
  }

  /** What a message that stays apart is refused for before anybody looks at its descriptors. */
  checkSend(): void {}

  abstract send(bytes: Uint8Array, files: readonly OpenFile[]): number
  abstract receive(bytes: Uint8Array): Received

  /** recv(2): what does not fit of a message is lost, and so are descriptors. */
  override readAt(bytes: Uint8Array): number {
    // Not even a look at what has arrived.
    if (bytes.byteLength === 0) return 0
    const { byteLength, files } = this.receive(bytes)
    for (const file of files) file.release()
    return byteLength
  }

  override writeAt(bytes: Uint8Array): number {
    return this.send(bytes, [])
  }
}
