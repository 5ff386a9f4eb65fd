import type { SocketType } from '@linux-dma/native'
import { checkInteger, checkOptionNames } from '../arguments'
import { invalidArgument } from '../errors'

/** Bytes of a socket's path, or of its abstract name. */
const longestName = 107
const defaultBacklog = 128

/** Where a socket is. */
export interface SocketAddress {
  /** A name that is no file's: those of the two types have nothing to do with each other. */
  readonly abstract: boolean
  readonly name: string
  /** As messages show it: an abstract name after an `@`. */
  readonly text: string
}

/** A path, or NUL and an abstract name. @throws `DMA_INVALID_ARGUMENT` */
export function checkSocketAddress(path: unknown): SocketAddress {
  if (typeof path !== 'string') return invalidArgument(`path is a ${typeof path}, not a string`)
  const abstract = path.startsWith('\0')
  const name = abstract ? path.slice(1) : path
  if (name === '' || name.includes('\0')) {
    invalidArgument('path is no path, and not NUL and a name, without another NUL')
  }
  const { byteLength } = new TextEncoder().encode(name)
  if (byteLength > longestName) {
    invalidArgument(
      `path has ${byteLength} bytes, and a socket's has ${longestName} at most: '${name}'`,
      "use a shorter path, such as one in /tmp, or an abstract name: '\\0name'",
    )
  }
  return { abstract, name, text: abstract ? `@${name}` : path }
}

/** The options of `listen`, with defaults. @throws `DMA_INVALID_ARGUMENT` */
export function checkListenOptions(options: { type?: SocketType; backlog?: number } = {}): {
  type: SocketType
  backlog: number
} {
  checkOptionNames(options, ['type', 'backlog'], 'listen')
  const { type, backlog = defaultBacklog } = options
  return { type: checkType(type), backlog: checkInteger(backlog, 'backlog', 0, 0x7fffffff) }
}

/** The options of `connect`: the type. @throws `DMA_INVALID_ARGUMENT` */
export function checkConnectOptions(options: { type?: SocketType } = {}): SocketType {
  checkOptionNames(options, ['type'], 'connect')
  return checkType(options.type)
}

function checkType(type: SocketType = 'stream'): SocketType {
  if (type === 'stream' || type === 'seqpacket') return type
  return invalidArgument(`type is '${String(type)}', not 'stream' or 'seqpacket'`)
}
