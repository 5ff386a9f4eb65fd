import type { ReceivedMessage, SocketType } from '@linux-dma/native'
import { fail, invalidArgument } from '../errors'
import { checkDescriptor, checkMessage } from './checks'
import type { KernelParts } from './kernel-parts'
import { Listener } from './listener'
import type { OpenFile } from './open-file'
import { SocketEnd } from './socket'
import { checkConnectOptions, checkListenOptions, checkSocketAddress } from './socket-address'
import { SocketNames } from './socket-names'
import type { SystemCall } from './system-call'
import { type SocketParts, UnixSocket } from './unix-socket'

/** SCM_MAX_FD. */
const mostDescriptors = 253

/** The verbs of sockets. */
export class SocketCalls {
  readonly #parts: KernelParts
  readonly #call: SystemCall
  readonly #names: SocketNames
  readonly #socketParts: SocketParts

  constructor(parts: KernelParts, call: SystemCall) {
    this.#parts = parts
    this.#call = call
    this.#names = new SocketNames(parts.fs)
    let inode = 0
    this.#socketParts = {
      process: parts.process,
      wake: () => parts.clock.wake(),
      nextInode: () => ++inode,
    }
  }

  pair(): [number, number] {
    const { descriptors } = this.#parts
    return this.#call('socketpair', undefined, () => {
      descriptors.reserve(2)
      const [first, second] = SocketEnd.pair('seqpacket', this.#socketParts)
      return [descriptors.installNew(first), descriptors.installNew(second)]
    })
  }

  listen(path: string, options?: { type?: SocketType; backlog?: number }): number {
    const address = checkSocketAddress(path)
    const { type, backlog } = checkListenOptions(options)
    const listener = this.#call('socket', address.text, () => {
      this.#parts.descriptors.reserve(1)
      return new Listener(type, backlog, this.#socketParts)
    })
    const unbind = this.#call('bind', address.text, () => this.#names.bind(address, listener))
    try {
      return this.#call('listen', address.text, () => this.#parts.descriptors.installNew(listener))
    } catch (error) {
      unbind()
      throw error
    }
  }

  connect(path: string, options?: { type?: SocketType }): number {
    const address = checkSocketAddress(path)
    const type = checkConnectOptions(options)
    this.#call('socket', address.text, () => this.#parts.descriptors.reserve(1))
    return this.#call('connect', address.text, () =>
      this.#parts.descriptors.installNew(this.#names.find(address, type).connect()),
    )
  }

  accept(fd: number): number {
    checkDescriptor(fd)
    const { descriptors } = this.#parts
    return this.#call('accept4', undefined, () => {
      const file = descriptors.get(fd)
      // A number first, as Linux does it: a connection is not lost for the want of one.
      descriptors.reserve(1)
      const listener = this.#socket(file)
      if (!(listener instanceof Listener)) {
        return fail('EINVAL', 'this socket does not listen', 'accept() takes a descriptor of kernel.listen()')
      }
      const end = listener.accept()
      try {
        return descriptors.install(end)
      } finally {
        end.release()
      }
    })
  }

  send(fd: number, bytes: Uint8Array, descriptors: readonly number[] = []): number {
    checkDescriptor(fd)
    checkMessage(bytes)
    if (!Array.isArray(descriptors) || descriptors.length > mostDescriptors) {
      invalidArgument(`descriptors is no array of ${mostDescriptors} descriptors at most`)
    }
    for (const descriptor of descriptors) checkDescriptor(descriptor)
    return this.#call('sendmsg', undefined, () => {
      const table = this.#parts.descriptors
      const socket = this.#socket(table.get(fd))
      socket.checkSend()
      return socket.send(
        bytes,
        descriptors.map((descriptor) => table.get(descriptor)),
      )
    })
  }

  receive(fd: number, bytes: Uint8Array): ReceivedMessage {
    checkDescriptor(fd)
    checkMessage(bytes)
    return this.#call('recvmsg', undefined, () => {
      const table = this.#parts.descriptors
      const { byteLength, files, truncated } = this.#socket(table.get(fd)).receive(bytes)
      try {
        if (truncated) fail('EMSGSIZE', 'the message is longer than the bytes', 'receive into more')
        table.reserve(files.length)
        return { byteLength, descriptors: files.map((file) => table.install(file)) }
      } finally {
        for (const file of files) file.release()
      }
    })
  }

  #socket(file: OpenFile): UnixSocket {
    return file instanceof UnixSocket ? file : fail('ENOTSOCK', `${file.path} is no socket`)
  }
}
