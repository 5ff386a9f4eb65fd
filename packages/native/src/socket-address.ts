import { DmaError } from './errors'
import { checkOptions, invalidArgument } from './validate'

/** What a connection between sockets carries: bytes, or messages that keep their borders. */
export type SocketType = 'stream' | 'seqpacket'

/** Bytes of sun_path: one of them is the NUL after a path. */
const LONGEST_ADDRESS = 108

/** Where a socket is, as the kernel takes it and as a message can show it. */
export interface SocketAddress {
  readonly bytes: Uint8Array
  /** The path, or `@` and the abstract name, as ss(8) writes it. */
  readonly text: string
  readonly abstract: boolean
}

/** The address of a path, or of an abstract name: one that begins with NUL. @throws DMA_INVALID_ARGUMENT */
export function checkSocketAddress(path: unknown): SocketAddress {
  if (typeof path !== 'string') throw invalidArgument('path', path, 'a string')
  const abstract = path.startsWith('\0')
  const name = abstract ? path.slice(1) : path
  if (name === '' || name.includes('\0')) {
    throw invalidArgument(
      'path',
      path.replaceAll('\0', '\\0'),
      'a path, or NUL and a name, without another NUL',
    )
  }
  // Without the NUL an abstract name ends where the address does.
  const bytes = new TextEncoder().encode(abstract ? path : `${path}\0`)
  if (bytes.byteLength > LONGEST_ADDRESS) throw tooLong(name, bytes.byteLength)
  return { bytes, text: abstract ? `@${name}` : path, abstract }
}

/** Whether an option asks for `seqpacket`. @throws DMA_INVALID_ARGUMENT */
export function checkSocketType(type: SocketType = 'stream'): boolean {
  if (type === 'stream' || type === 'seqpacket') return type === 'seqpacket'
  throw invalidArgument('type', type, "'stream' or 'seqpacket'")
}

/** The options of `listen` and `connect`. @throws DMA_INVALID_ARGUMENT */
export function checkSocketOptions<Options extends { type?: SocketType }>(
  of: string,
  options: Options | undefined,
  known: readonly (keyof Options & string)[],
): Options & { seqpacket: boolean } {
  const given = checkOptions(of, options, known)
  return { ...given, seqpacket: checkSocketType(given.type) }
}

function tooLong(name: string, byteLength: number): DmaError {
  return new DmaError(
    'DMA_INVALID_ARGUMENT',
    `path has ${byteLength - 1} bytes, and a socket's has ${LONGEST_ADDRESS - 1} at most: '${name}'`,
    { hint: `use a shorter path, such as one in /run or /tmp, or an abstract name: '\\0name'` },
  )
}
