import type { SocketType } from '@linux-dma/native'
import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import type { Listener } from './listener'
import type { SocketAddress } from './socket-address'

/** Who listens where: by the files of a machine, and by its abstract names. */
export class SocketNames {
  readonly #fs: FileSystem
  readonly #abstract = new Map<string, Listener>()

  constructor(fs: FileSystem) {
    this.#fs = fs
  }

  /** Gives a listener its name, until it is closed or the returned function is called. `EADDRINUSE`, … */
  bind({ abstract, name }: SocketAddress, listener: Listener): () => void {
    return abstract ? this.#bindName(name, listener) : this.#bindFile(name, listener)
  }

  #bindName(name: string, listener: Listener): () => void {
    const key = `${listener.type} ${name}`
    if (this.#abstract.has(key)) {
      fail('EADDRINUSE', 'another socket has this name', 'close it, or take another name')
    }
    this.#abstract.set(key, listener)
    const unbind = () => void this.#abstract.delete(key)
    listener.named(unbind)
    return unbind
  }

  #bindFile(path: string, listener: Listener): () => void {
    const node = this.#fs.makeSocket(path, listener)
    listener.named(() => {
      // The file stays: nobody listens there any more.
      delete node.listener
    })
    return () => this.#fs.unlink(path)
  }

  /** The listener of a name. `ECONNREFUSED` where there is none, `EPROTOTYPE` for one of another type. */
  find({ abstract, name }: SocketAddress, type: SocketType): Listener {
    const listener = abstract ? this.#abstract.get(`${type} ${name}`) : this.#fs.findSocket(name)
    if (listener === undefined) {
      return fail(
        'ECONNREFUSED',
        'nobody listens there',
        abstract
          ? `start the side that listens by this name for '${type}'`
          : 'start the side that listens; the file may be left over from one that has ended',
      )
    }
    if (listener.type !== type) {
      fail(
        'EPROTOTYPE',
        `the other side listens for '${listener.type}'`,
        `connect(path, { type: '${listener.type}' })`,
      )
    }
    return listener
  }
}
