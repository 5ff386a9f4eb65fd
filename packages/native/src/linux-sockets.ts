import { dirname } from 'node:path'
import type { Addon } from './addon'
import type { FileDescriptor, ReceivedMessage } from './kernel'
import { checkSocketAddress, checkSocketOptions, type SocketAddress, type SocketType } from './socket-address'
import { toDmaError } from './system-error'
import { checkBytes, checkDescriptor, checkInteger, invalidArgument } from './validate'

const DEFAULT_BACKLOG = 128
const INT32_MAX = 0x7fffffff
const MAXIMUM_DESCRIPTORS = 253

/** What {@link Kernel.listen} does. */
export function listen(
  addon: Addon,
  path: string,
  options?: { type?: SocketType; backlog?: number },
): FileDescriptor {
  const address = checkSocketAddress(path)
  const { seqpacket, backlog = DEFAULT_BACKLOG } = checkSocketOptions('listen', options, ['type', 'backlog'])
  checkInteger('backlog', backlog, 0, INT32_MAX)
  try {
    return addon.listen(address.bytes, seqpacket, backlog)
  } catch (error) {
    throw toDmaError(error, { path: address.text, hint: (code) => listenHint(code, address) })
  }
}

/** What {@link Kernel.connect} does. */
export function connect(addon: Addon, path: string, options?: { type?: SocketType }): FileDescriptor {
  const address = checkSocketAddress(path)
  const { seqpacket } = checkSocketOptions('connect', options, ['type'])
  try {
    return addon.connect(address.bytes, seqpacket)
  } catch (error) {
    throw toDmaError(error, { path: address.text, hint: (code) => connectHint(code, address, seqpacket) })
  }
}

/** What {@link Kernel.accept} does. */
export function accept(addon: Addon, fd: FileDescriptor): FileDescriptor {
  checkDescriptor(fd)
  try {
    return addon.accept(fd)
  } catch (error) {
    throw toDmaError(error, { hint: acceptHint })
  }
}

/** What {@link Kernel.sendMessage} does. */
export function sendMessage(
  addon: Addon,
  fd: FileDescriptor,
  bytes: Uint8Array,
  descriptors: readonly FileDescriptor[],
): number {
  checkDescriptor(fd)
  checkMessage(bytes)
  if (!Array.isArray(descriptors) || descriptors.length > MAXIMUM_DESCRIPTORS) {
    throw invalidArgument(
      'descriptors',
      descriptors,
      `an array of at most ${MAXIMUM_DESCRIPTORS} descriptors`,
    )
  }
  const numbers = Int32Array.from(descriptors, (descriptor, index) =>
    checkDescriptor(descriptor, `descriptors[${index}]`),
  )
  try {
    return addon.sendMessage(fd, bytes, numbers)
  } catch (error) {
    throw toDmaError(error, { hint: sendHint })
  }
}

/** What {@link Kernel.receiveMessage} does. */
export function receiveMessage(addon: Addon, fd: FileDescriptor, bytes: Uint8Array): ReceivedMessage {
  checkDescriptor(fd)
  checkMessage(bytes)
  try {
    const [byteLength, descriptors] = addon.receiveMessage(fd, bytes)
    return { byteLength, descriptors }
  } catch (error) {
    throw toDmaError(error, { hint: receiveHint })
  }
}

function checkMessage(bytes: Uint8Array): void {
  // A stream of records has no other way to tell an empty one from the end.
  if (checkBytes('bytes', bytes).byteLength === 0) throw invalidArgument('bytes', 'empty', 'one byte or more')
}

function listenHint(code: string, { text, abstract }: SocketAddress): string | undefined {
  if (code === 'EADDRINUSE') {
    return abstract
      ? 'another socket has this name: take another name, or look who has it: ss -xlp'
      : `a file of this name is there; where the process that made it has ended, take the file away first: kernel.unlink('${text}'); else look who listens: ss -xlp`
  }
  if (code === 'EACCES' && !abstract)
    return `this user may make no file in ${dirname(text)}: ls -ld ${dirname(text)}`
  if (code === 'EPERM' && !abstract) return `no socket can be made in ${dirname(text)}: use /run or /tmp`
  return undefined
}

function connectHint(
  code: string,
  { text, abstract }: SocketAddress,
  seqpacket: boolean,
): string | undefined {
  switch (code) {
    case 'ECONNREFUSED':
      return abstract
        ? `nobody listens by this name for '${seqpacket ? 'seqpacket' : 'stream'}' (each type has names of its own): ss -xl`
        : `nobody listens there: start the process that does; the file may be left over from one that ended, or be no socket: ls -l ${text}`
    case 'EPROTOTYPE':
      return `the other side listens for '${seqpacket ? 'stream' : 'seqpacket'}': connect(path, { type: '${seqpacket ? 'stream' : 'seqpacket'}' })`
    case 'EAGAIN':
      return 'more connections wait there than its backlog has room for: try again once the other side has accepted some'
    case 'ENOENT':
      return abstract
        ? undefined
        : `nobody listens there yet: start the process that does; ls -l ${dirname(text)}`
    default:
      return undefined
  }
}

function acceptHint(code: string): string | undefined {
  if (code === 'EAGAIN') return 'nobody has connected: await kernel.poll(fd, POLLIN) first'
  if (code === 'EINVAL' || code === 'ENOTSOCK') return 'accept() takes a descriptor of kernel.listen()'
  return undefined
}

function sendHint(code: string): string | undefined {
  if (code === 'EAGAIN') return 'the other side has not read enough: await kernel.poll(fd, POLLOUT) first'
  if (code === 'ETOOMANYREFS')
    return 'more descriptors of this user are on their way than RLIMIT_NOFILE: let the other side receive some'
  if (code === 'ENOTCONN') return 'this socket listens: send over one of kernel.accept() or kernel.connect()'
  return undefined
}

function receiveHint(code: string): string | undefined {
  if (code === 'EMSGSIZE') return 'the message was longer than the bytes: receive into more'
  if (code === 'EAGAIN') return 'nothing has arrived: await kernel.poll(fd, POLLIN) first'
  return undefined
}
