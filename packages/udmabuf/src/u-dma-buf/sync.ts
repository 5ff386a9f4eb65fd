import { DmaError, explained, isDmaError, type TransferDirection } from '@linux-dma/core'
import type { FileDescriptor, Kernel } from '@linux-dma/native'
import { bytesOf, structure } from '../abi'
import { fillSync, type SyncVerb, syncWord, U_DMA_BUF_GET_SYNC_OWNER, U_DMA_BUF_SET_SYNC } from './abi'
import type { UDmaBufInfo } from './u-dma-buf-info'

/** How a buffer is handed over between CPU and device. Ranges are checked by then. */
export interface UDmaBufSync {
  sync(verb: SyncVerb, offset: number, size: number, direction: TransferDirection): void
  owner(): 'cpu' | 'device'
}

/** By ioctl: any range, one system call, and no memory is allocated. */
export class IoctlSync implements UDmaBufSync {
  readonly #kernel: Kernel
  readonly #fd: FileDescriptor
  readonly #argument = structure(24)
  readonly #bytes = bytesOf(this.#argument)

  constructor(kernel: Kernel, fd: FileDescriptor) {
    this.#kernel = kernel
    this.#fd = fd
  }

  sync(verb: SyncVerb, offset: number, size: number, direction: TransferDirection): void {
    fillSync(this.#argument, verb, offset, size, direction)
    this.#kernel.ioctl(this.#fd, U_DMA_BUF_SET_SYNC, this.#bytes, 'U_DMA_BUF_IOCTL_SET_SYNC')
  }

  owner(): 'cpu' | 'device' {
    const view = structure(4)
    this.#kernel.ioctl(this.#fd, U_DMA_BUF_GET_SYNC_OWNER, bytesOf(view), 'U_DMA_BUF_IOCTL_GET_SYNC_OWNER')
    return view.getUint32(0, true) === 0 ? 'cpu' : 'device'
  }
}

/** By sysfs, of a driver before 4.7: the range has to fit into one word, and the files have to be writable. */
export class SysfsSync implements UDmaBufSync {
  readonly #kernel: Kernel
  readonly #info: UDmaBufInfo

  constructor(kernel: Kernel, info: UDmaBufInfo) {
    this.#kernel = kernel
    this.#info = info
  }

  sync(verb: SyncVerb, offset: number, size: number, direction: TransferDirection): void {
    const word = syncWord(offset, size, direction)
    if (word === undefined) throw this.#cannotSay(offset, size)
    const path = `${this.#info.path}/${verb === 'syncForCpu' ? 'sync_for_cpu' : 'sync_for_device'}`
    explained(() => this.#kernel.writeText(path, word), {
      EACCES: () => ({
        message: `${path} may not be written by this user`,
        hint: `sudo chown "$USER" ${this.#info.path}/sync_for_cpu ${this.#info.path}/sync_for_device, or take a driver of version 4.7 or later, whose syncs go by ${this.#info.node}`,
      }),
    })
  }

  owner(): 'cpu' | 'device' {
    return this.#kernel.readText(`${this.#info.path}/sync_owner`).trim() === '0' ? 'cpu' : 'device'
  }

  #cannotSay(offset: number, size: number): DmaError {
    const { name, driverVersion } = this.#info
    return new DmaError(
      'DMA_UNSUPPORTED',
      `the driver of ${name}, version ${driverVersion}, cannot be told to sync ${size} bytes from ${offset} on`,
      {
        hint: 'it takes sizes that are multiples of 16, and nothing from 4 GiB on; version 4.7 and later take all',
      },
    )
  }
}

/** Whether an error says that the driver has no such request: it is older, or built without. */
export function isNotOffered(error: unknown): boolean {
  return isDmaError(error, 'ENOTTY')
}
