import { O_WRONLY } from '@linux-dma/native'
import type { Host } from '../host'
import { withoutLeaks } from '../with-device'
import { outcome } from '../with-uio'

export const MiB = 0x10_0000
export const NODE = '/dev/udmabuf0'
export const FOLDER = '/sys/class/u-dma-buf/udmabuf0'
export const O_SYNC = 0o4010000
export const O_CLOEXEC = 0o2000000

export const GET_DRV_INFO = 0x8018_5501
export const GET_SIZE = 0x8008_5502
export const GET_DMA_ADDR = 0x8008_5503
const GET_SYNC_OWNER = 0x8004_5504
export const SET_SYNC_FOR_CPU = 0x4008_5505
export const SET_SYNC_FOR_DEVICE = 0x4008_5506
export const GET_DEV_INFO = 0x8018_5507
const GET_SYNC = 0x8018_5508
export const SET_SYNC = 0x4018_5509
export const EXPORT = 0xc028_550a
export const REQUESTS = [
  ...[GET_DRV_INFO, GET_SIZE, GET_DMA_ADDR, GET_SYNC_OWNER, SET_SYNC_FOR_CPU, SET_SYNC_FOR_DEVICE],
  ...[GET_DEV_INFO, GET_SYNC, SET_SYNC, EXPORT],
]
export const DMA_BUF_IOCTL_SYNC = 0x4008_6200

export function words(...values: (number | bigint)[]): Uint8Array {
  return new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer)
}

/** The driver's requests and files, with no package between. */
export function rawUDmaBuf(host: Host) {
  const { kernel } = host
  const open = (flags: number, test: (fd: number) => void | Promise<void>) => () =>
    withoutLeaks(host, async () => {
      const fd = kernel.open(NODE, flags)
      try {
        await test(fd)
      } finally {
        // As the driver has it at first.
        kernel.writeText(`${FOLDER}/sync_for_cpu`, '0')
        kernel.writeText(`${FOLDER}/sync_for_device`, '0')
        if ((flags & 3) !== O_WRONLY) kernel.ioctl(fd, SET_SYNC, words(0x101, MiB, 0))
        kernel.close(fd)
      }
    })
  const text = (name: string) => kernel.readText(`${FOLDER}/${name}`).trim()
  const store = (name: string, value: string) =>
    outcome(() => kernel.writeText(`${FOLDER}/${name}`, value)) ?? 0
  const map = (fd: number, byteLength: number, position = 0, access: 'read' | 'read-write' = 'read-write') =>
    outcome(() => kernel.mmap(fd, { byteLength, position, access }).close()) ?? 0
  const ask = (fd: number, request: number, byteLength: number) => {
    const bytes = new Uint8Array(byteLength)
    kernel.ioctl(fd, request, bytes)
    return [...new BigUint64Array(bytes.buffer)]
  }
  const state = (fd: number) => {
    const [flags, size, offset] = ask(fd, GET_SYNC, 24)
    return `${flags!.toString(16)} ${size} ${offset}`
  }
  const tell = (fd: number, request: number, ...values: (number | bigint)[]) =>
    outcome(() => kernel.ioctl(fd, request, words(...values)))
  /** What is exported is closed again: how far from the buffer's start it begins. */
  const exportFrom = (fd: number, flags: number | bigint, size: number, offset: number) =>
    outcome(() => {
      const argument = words(flags, size, offset, 0, 0)
      kernel.ioctl(fd, EXPORT, argument)
      const view = new DataView(argument.buffer)
      kernel.close(view.getInt32(32, true))
      return Number(view.getBigUint64(24, true)) - Number(text('phys_addr'))
    })
  return { open, text, store, map, ask, state, tell, exportFrom }
}
