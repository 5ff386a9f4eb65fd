import {
  assertByteLength,
  assertOptions,
  assertSignal,
  closeAll,
  DmaError,
  isDmaError,
} from '@linux-dma/core'
import { type FileDescriptor, type Kernel, linuxKernel, POLLIN, POLLOUT } from '@linux-dma/native'
import { DmaBuf } from '../dma-buf/dma-buf'
import { pollShared } from '../dma-buf/fence-poll'
import { adoptDmaBuf } from '../dma-buf/get'

/** What the kernel takes in one message. */
const MOST_BUFFERS = 253
/** Without a byte nothing is sent. */
const EMPTY_MESSAGE = new Uint8Array(1)

/** What came in one message. */
export interface ReceivedDmaBufs {
  /** The caller's to close. */
  readonly buffers: readonly DmaBuf[]
  /** The bytes that came along. */
  readonly message: Uint8Array
}

/**
 * Sends buffers over a UNIX socket, with bytes that say what they are. The other side, in whatever language, gets descriptors
 * of its own by SCM_RIGHTS; the buffers stay open here, and may be closed once this resolves. On a stream wait for that before
 * more is sent: a message that is longer than there is room goes in parts.
 * @param socket a socket of `kernel.socketPair()`, `connect()` or `accept()`, of the buffers' kernel
 * @param buffer one, or up to 253; `[]` sends the message alone
 * @param options.message 1 byte or more; a zero by default, since nothing goes without a byte
 * @param options.kernel default: that of the buffers
 * @throws EPIPE, ECONNRESET where the other side is gone; EMSGSIZE; the signal's reason: where a stream had taken a part of the message by
 *   then, the connection is of no more use; DMA_CLOSED, DMA_INVALID_ARGUMENT, DMA_WRONG_KERNEL
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
  if (!(message instanceof Uint8Array) || message.length === 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'sendDmaBuf: message is no Uint8Array of one byte or more')
  }
  const kernel = kernelFor(buffers, options.kernel)
  // Looked at each time: a buffer may be closed while this waits for room.
  const descriptors = () => buffers.map(({ fd }) => fd)
  let sent = await whenReady(kernel, socket, POLLOUT, signal, () =>
    kernel.sendMessage(socket, message, descriptors()),
  )
  // A stream takes as much as there is room for. The descriptors went with the first byte: the rest has to follow.
  while (sent < message.length) {
    sent += await whenReady(kernel, socket, POLLOUT, signal, () =>
      kernel.sendMessage(socket, message.subarray(sent)),
    )
  }
}

/**
 * Takes the next message from a UNIX socket: buffers from whoever sends them, each looked at before it is used. What is no
 * dma-buf is refused, and everything that came with it closed.
 *
 * A seqpacket socket keeps messages apart. On a stream their bytes run together, as bytes of a stream do: what came without
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
  const { byteLength = 4096, signal, kernel = linuxKernel() } = options
  assertByteLength('byteLength', byteLength)
  assertSignal('receiveDmaBuf', signal)
  const bytes = new Uint8Array(byteLength)
  const got = await whenReady(kernel, socket, POLLIN, signal, () => kernel.receiveMessage(socket, bytes))
  if (got.byteLength === 0 && got.descriptors.length === 0) return undefined
  return { buffers: adoptAll(kernel, got.descriptors), message: bytes.slice(0, got.byteLength) }
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

async function whenReady<Result>(
  kernel: Kernel,
  socket: FileDescriptor,
  events: number,
  signal: AbortSignal | undefined,
  call: () => Result,
): Promise<Result> {
  signal?.throwIfAborted()
  for (;;) {
    try {
      return call()
    } catch (error) {
      if (!isDmaError(error, 'EAGAIN')) throw error
    }
    // Somebody else may wait at the same socket, for the other direction to say the least.
    await pollShared(kernel, socket, events, signal)
  }
}

/** @throws DMA_WRONG_KERNEL */
function kernelFor(buffers: readonly DmaBuf[], given: Kernel | undefined): Kernel {
  const kernel = given ?? buffers[0]?.kernel ?? linuxKernel()
  if (buffers.every((buffer) => buffer.kernel === kernel)) return kernel
  throw new DmaError('DMA_WRONG_KERNEL', 'sendDmaBuf: the buffers are of several kernel objects', {
    hint: 'leave { kernel } out: it is that of the buffers',
  })
}

/** @throws DMA_INVALID_ARGUMENT */
function checkBuffers(given: DmaBuf | readonly DmaBuf[]): readonly DmaBuf[] {
  const buffers = Array.isArray(given) ? (given as readonly DmaBuf[]) : [given as DmaBuf]
  const right = buffers.every((buffer) => buffer instanceof DmaBuf)
  if (right && buffers.length <= MOST_BUFFERS) return buffers
  throw new DmaError(
    'DMA_INVALID_ARGUMENT',
    `sendDmaBuf: what to send is not up to ${MOST_BUFFERS} dma-bufs`,
    {
      hint: 'DMA memory becomes one by createUdmabuf({ memory }); other descriptors go by kernel.sendMessage()',
    },
  )
}
