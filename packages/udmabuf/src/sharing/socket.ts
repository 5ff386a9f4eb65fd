import {
  assertByteLength,
  assertOptions,
  assertSignal,
  closeAll,
  DmaError,
  explained,
  isDmaError,
  kernelOption,
  type Reasons,
} from '@linux-dma/core'
import { type FileDescriptor, type Kernel, POLLIN, POLLOUT } from '@linux-dma/native'
import { DmaBuf } from '../dma-buf/dma-buf'
import { adoptDmaBuf } from '../dma-buf/get'
import { endPolls } from '../dma-buf/shared-poll'
import { giveTurn, whenReady } from './ready'
import { failQueue, sendInTurn } from './send-queue'

/** What the kernel takes in one message. */
const MOST_BUFFERS = 253
/** Without a byte nothing is sent. */
const EMPTY_MESSAGE = new Uint8Array(1)

/** What an errno of recvmsg(2) means here. */
const NO_CONNECTION: Reasons = {
  EINVAL: () => ({
    message: 'the socket waits for connections: no message comes through it',
    hint: 'receive from what acceptPeer() gives',
  }),
  ENOTCONN: () => ({ message: 'the socket is not connected', hint: 'kernel.connect(path), or acceptPeer()' }),
  ENOTSOCK: () => ({
    message: 'the descriptor is of no socket',
    hint: 'pass a number that kernel.socketPair(), connect() or acceptPeer() gave, and { kernel: machine.kernel } with one of a fake machine',
  }),
}

/** After these nothing more goes through a socket. */
const END_OF_SOCKET = ['DMA_CLOSED', 'EBADF', 'ECONNRESET', 'ENOTCONN', 'ENOTSOCK', 'EPIPE']

/** What came in one message. */
export interface ReceivedDmaBufs {
  /** The caller's to close. */
  readonly buffers: readonly DmaBuf[]
  /** The bytes that came along. */
  readonly message: Uint8Array
}

/**
 * Sends buffers over a UNIX socket, with bytes that say what they are. The other side, in whatever language, gets descriptors
 * of its own by SCM_RIGHTS; the buffers stay open here, and may be closed once this resolves. Several at once go one after the
 * other, each whole; where the socket fails, or a stream is left with a part of one, those behind fail too. The bytes of the message are
 * not to be changed until this resolves.
 * @param socket a socket of `kernel.socketPair()`, `connect()` or `accept()`, of the buffers' kernel
 * @param buffer one, or up to 253; `[]` sends the message alone
 * @param options.message 1 byte or more; a zero by default, since nothing goes without a byte
 * @param options.kernel default: that of the buffers; has to be said where there are none
 * @throws EPIPE, ECONNRESET where the other side is gone; EMSGSIZE; the signal's reason: where a stream had taken a part of the message by
 *   then, the connection is of no more use: close it; DMA_CLOSED, DMA_INVALID_ARGUMENT, DMA_WRONG_KERNEL
 * @example
 * ```ts
 * const [ours, theirs] = kernel.socketPair()
 * spawn('viewer', { stdio: ['inherit', 'inherit', 'inherit', theirs] })
 * await sendDmaBuf(ours, frame, { message: new TextEncoder().encode('{"width":1920}') })
 * ```
 */
export async function sendDmaBuf(
  socket: FileDescriptor,
  buffer: DmaBuf | readonly DmaBuf[],
  options: { message?: Uint8Array; signal?: AbortSignal; kernel?: Kernel } = {},
): Promise<void> {
  assertOptions('sendDmaBuf', options, ['message', 'signal', 'kernel'])
  const { message = EMPTY_MESSAGE, signal } = options
  assertSignal('sendDmaBuf', signal)
  const buffers = checkBuffers(buffer)
  assertMessage(message)
  const kernel = kernelFor(buffers, options.kernel)
  // Looked at each time: a buffer may be closed while this waits for room.
  let isBufferGone = false
  const descriptors = () => {
    isBufferGone = buffers.some((each) => each.closed)
    return buffers.map(({ fd }) => fd)
  }
  let sent = 0
  await sendInTurn(kernel, socket, signal, {
    async run() {
      // A stream takes as much as there is room for. The descriptors go with the first byte: the rest has to follow.
      while (sent < message.length) {
        const rest = message.subarray(sent)
        await whenReady(kernel, socket, POLLOUT, signal, () => {
          sent += kernel.sendMessage(socket, rest, sent === 0 ? descriptors() : [])
        })
      }
    },
    spoils(error) {
      if (!isBufferGone && END_OF_SOCKET.some((code) => isDmaError(error, code))) return error
      // What could not be sent by itself says nothing of the socket.
      return sent === 0 ? undefined : tornStream(socket)
    },
  })
  await giveTurn(kernel)
}

function tornStream(socket: FileDescriptor): DmaError {
  return new DmaError('DMA_CLOSED', `the stream ${socket} is torn: a message before this one went in part`, {
    hint: 'close it: closePeer()',
  })
}

/**
 * Takes the next message from a UNIX socket: buffers from whoever sends them, each looked at before it is used. What is no
 * dma-buf is refused, and everything that came with it closed.
 *
 * A seqpacket socket keeps messages apart; empty ones are passed over, but two in a row are the end. On a stream their bytes run together, as bytes of a stream do: what came without
 * descriptors may stand in front of a message that brings some, in one answer. Descriptors of two messages never come together. Who
 * needs to know where a message ends says so in its bytes.
 * @param options.byteLength room for the bytes that come along; default 4096
 * @returns undefined where the other side has closed and nothing is left; no buffers where bytes came alone
 * @throws DMA_NOT_DMA_BUF; EMSGSIZE where the message is longer; ECONNRESET; EMFILE; the signal's reason; DMA_INVALID_ARGUMENT
 * @example
 * ```ts
 * for (let got = await receiveDmaBuf(socket); got; got = await receiveDmaBuf(socket)) {
 *   for (using buffer of got.buffers) console.log(buffer.size)
 * }
 * ```
 */
export async function receiveDmaBuf(
  socket: FileDescriptor,
  options: { byteLength?: number; signal?: AbortSignal; kernel?: Kernel } = {},
): Promise<ReceivedDmaBufs | undefined> {
  assertOptions('receiveDmaBuf', options, ['byteLength', 'signal', 'kernel'])
  const { byteLength = 4096, signal } = options
  const kernel = kernelOption('receiveDmaBuf', options.kernel)
  assertByteLength('byteLength', byteLength)
  assertSignal('receiveDmaBuf', signal)
  const bytes = new Uint8Array(byteLength)
  const receive = () =>
    whenReady(kernel, socket, POLLIN, signal, () =>
      explained(() => kernel.receiveMessage(socket, bytes), NO_CONNECTION),
    )
  let got = await receive()
  // An empty message of a seqpacket socket looks like the end: which does not go away by being read.
  if (isEmpty(got)) got = await receive()
  if (isEmpty(got)) return undefined
  const received = { buffers: adoptAll(kernel, got.descriptors), message: bytes.slice(0, got.byteLength) }
  await giveTurn(kernel)
  return received
}

function isEmpty({
  byteLength,
  descriptors,
}: {
  byteLength: number
  descriptors: readonly unknown[]
}): boolean {
  return byteLength === 0 && descriptors.length === 0
}

/**
 * The next connection to a UNIX socket that listens: what `accept(2)` gives, once there is one.
 * @param listener what `kernel.listen(path)` returned
 * @returns a socket for {@link sendDmaBuf} and {@link receiveDmaBuf}, to be closed by {@link closePeer}
 * @throws the signal's reason; EMFILE; EINVAL for a socket that does not listen; DMA_INVALID_ARGUMENT
 * @example
 * ```ts
 * const listener = kernel.listen('/run/viewer.sock')
 * const peer = await acceptPeer(listener)
 * ```
 */
export async function acceptPeer(
  listener: FileDescriptor,
  options: { signal?: AbortSignal; kernel?: Kernel } = {},
): Promise<FileDescriptor> {
  assertOptions('acceptPeer', options, ['signal', 'kernel'])
  assertSignal('acceptPeer', options.signal)
  const kernel = kernelOption('acceptPeer', options.kernel)
  return whenReady(kernel, listener, POLLIN, options.signal, () => kernel.accept(listener))
}

/**
 * Closes a socket that buffers were sent or received through, or that listens: what still waits for it ends at once, before its number can
 * be another's. With `kernel.close()` alone a send that waits could go to who has the number next.
 * @param socket the caller's, closed by this
 * @throws EBADF where it is not open; DMA_INVALID_ARGUMENT
 */
export function closePeer(socket: FileDescriptor, options: { kernel?: Kernel } = {}): void {
  assertOptions('closePeer', options, ['kernel'])
  const kernel = kernelOption('closePeer', options.kernel)
  const reason = () =>
    new DmaError('DMA_CLOSED', `the socket ${socket} was closed while something waited for it`, {
      hint: 'what was being sent may have gone in part',
    })
  failQueue(kernel, socket, reason)
  endPolls(kernel, socket, reason)
  kernel.close(socket)
}

/** All of them, or none: then all are closed. */
function adoptAll(kernel: Kernel, descriptors: readonly FileDescriptor[]): DmaBuf[] {
  const buffers: DmaBuf[] = []
  try {
    for (const fd of descriptors) buffers.push(adoptDmaBuf(kernel, fd))
    return buffers
  } catch (error) {
    const rest = descriptors.slice(buffers.length + 1)
    closeAll([...buffers.map((buffer) => () => buffer.close()), ...rest.map((fd) => () => kernel.close(fd))])
    throw error
  }
}

/** @throws DMA_WRONG_KERNEL */
function kernelFor(buffers: readonly DmaBuf[], given: Kernel | undefined): Kernel {
  const kernel = given ?? buffers[0]?.kernel
  // The number of a fake machine's socket may be that of anything in this process: no guess.
  if (kernel === undefined) {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      'sendDmaBuf: a message without buffers needs to be told whose socket it is',
      {
        hint: 'add { kernel }: linuxKernel(), or machine.kernel of a fake machine',
      },
    )
  }
  kernelOption('sendDmaBuf', kernel)
  if (buffers.every((buffer) => buffer.kernel === kernel)) return kernel
  throw new DmaError('DMA_WRONG_KERNEL', 'sendDmaBuf: not all buffers are of the socket’s kernel object', {
    hint: 'send those of each kernel object through a socket of its own; { kernel } is that of the buffers, and can be left out',
  })
}

/** @throws DMA_INVALID_ARGUMENT */
function assertMessage(message: unknown): void {
  if (message instanceof Uint8Array && message.length > 0) return
  throw new DmaError('DMA_INVALID_ARGUMENT', 'sendDmaBuf: message is no Uint8Array of one byte or more', {
    hint: 'text becomes one by new TextEncoder().encode(text)',
  })
}

/** @throws DMA_INVALID_ARGUMENT */
function checkBuffers(given: DmaBuf | readonly DmaBuf[]): readonly DmaBuf[] {
  const buffers = Array.isArray(given) ? (given as readonly DmaBuf[]) : [given as DmaBuf]
  const wrong = buffers.findIndex((buffer) => !(buffer instanceof DmaBuf))
  if (buffers.length <= MOST_BUFFERS && wrong < 0) return [...buffers]
  throw new DmaError(
    'DMA_INVALID_ARGUMENT',
    wrong < 0
      ? `sendDmaBuf: a message takes ${MOST_BUFFERS} buffers, not ${buffers.length}`
      : `sendDmaBuf: ${describe(buffers[wrong])} is no dma-buf`,
    {
      hint: 'DMA memory becomes one by createUdmabuf({ memory }); other descriptors go by kernel.sendMessage()',
    },
  )
}

function describe(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object of another kind' : String(value)
}
