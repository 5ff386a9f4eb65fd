import type { Kernel, SocketType } from '@linux-dma/native'
import type { Host } from './host'

export const SOCKET_TYPES: readonly SocketType[] = ['stream', 'seqpacket']

/** A path for sockets that no other process takes. */
export function socketPlace({ kernel }: Host): string {
  return `/tmp/linux-dma-suite-${kernel.readLink('/proc/self')}`
}

/** Two ends of a connection; nothing else of it is left. */
export function connected(kernel: Kernel, type: SocketType, place: string): { near: number; far: number } {
  const name = `\0${place}`
  const listener = kernel.listen(name, { type })
  const near = kernel.connect(name, { type })
  const far = kernel.accept(listener)
  kernel.close(listener)
  return { near, far }
}

/** What has arrived, each byte as a digit. */
export function take(kernel: Kernel, fd: number, byteLength = 64): { text: string; descriptors: number[] } {
  const bytes = new Uint8Array(byteLength)
  const message = kernel.receiveMessage(fd, bytes)
  return { text: bytes.subarray(0, message.byteLength).join(''), descriptors: message.descriptors }
}
