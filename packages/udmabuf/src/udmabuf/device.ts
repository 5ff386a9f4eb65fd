import { assertOptions, DmaError, explained, forgetLeak, kernelOption, watchForLeak } from '@linux-dma/core'
import { type FileDescriptor, type Kernel, O_RDWR } from '@linux-dma/native'
import { UDMABUF_CREATE, UDMABUF_CREATE_LIST, udmabufCreate, udmabufCreateList } from '../abi'
import type { DmaBuf } from '../dma-buf/dma-buf'
import { prepare } from './create'
import { readLimits, type UdmabufLimits } from './limits'
import type { UdmabufOptions } from './options'
import type { Piece } from './pieces'
import { explainRefusal } from './refusal'

const NODE = '/dev/udmabuf'

/**
 * `/dev/udmabuf`, opened: for a program that makes many buffers, and for one that gives up its privileges once it has it.
 */
export class UdmabufDevice implements Disposable {
  readonly kernel: Kernel
  readonly #fd: FileDescriptor
  #closed = false

  /** @internal use {@link openUdmabuf} */
  constructor(kernel: Kernel) {
    this.kernel = kernel
    this.#fd = openNode(kernel)
    watchForLeak(this, 'the open /dev/udmabuf', kernel)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** How large a buffer may be now. */
  get limits(): UdmabufLimits {
    return readLimits(this.kernel)
  }

  /** As {@link createUdmabuf}, without opening anything. @throws as that; DMA_CLOSED */
  create(options: UdmabufOptions): DmaBuf {
    const make = prepare(this.kernel, options)
    if (options.kernel === undefined || options.kernel === this.kernel) return make(this)
    throw new DmaError('DMA_WRONG_KERNEL', 'create: the device was opened with another kernel object', {
      hint: 'leave { kernel } out here: it is that of openUdmabuf()',
    })
  }

  /** UDMABUF_CREATE, or UDMABUF_CREATE_LIST for several pieces. @internal */
  make(pieces: readonly Piece[]): FileDescriptor {
    if (this.#closed) {
      throw new DmaError('DMA_CLOSED', `${NODE} is closed`, { hint: 'open it once more by openUdmabuf()' })
    }
    const { kernel } = this
    try {
      const [first] = pieces
      return pieces.length === 1
        ? kernel.ioctl(this.#fd, UDMABUF_CREATE, udmabufCreate(first!), 'UDMABUF_CREATE')
        : kernel.ioctl(this.#fd, UDMABUF_CREATE_LIST, udmabufCreateList(pieces), 'UDMABUF_CREATE_LIST')
    } catch (error) {
      throw explainRefusal(kernel, error, pieces)
    }
  }

  /** Buffers that were made stay. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    forgetLeak(this)
    this.kernel.close(this.#fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/**
 * Opens `/dev/udmabuf` once, for many buffers.
 * @throws EACCES with a rule for udev that permits it; ENOENT where the kernel has no udmabuf; EMFILE
 * @example
 * ```ts
 * using udmabuf = openUdmabuf()
 * const frames = Array.from({ length: 3 }, () => udmabuf.create({ size: 8_294_400 }))
 * ```
 */
export function openUdmabuf(options: { kernel?: Kernel } = {}): UdmabufDevice {
  assertOptions('openUdmabuf', options, ['kernel'])
  return new UdmabufDevice(kernelOption('openUdmabuf', options.kernel))
}

function openNode(kernel: Kernel): FileDescriptor {
  return explained(() => kernel.open(NODE, O_RDWR), {
    EACCES: () => ({
      message: `${NODE} may not be opened by this user: it is root's`,
      hint:
        `for now: sudo chown "$USER" ${NODE}; for good, a udev rule, with kvm or a group of yours: ` +
        'KERNEL=="udmabuf", GROUP="kvm", MODE="0660". Who may open it can keep any amount of memory',
    }),
    EPERM: () => ({
      message: `${NODE} may not be opened here: the container was not given it`,
      hint: `start it with --device ${NODE}`,
    }),
    ENOENT: () => ({
      message: `${NODE} is not there: this kernel has no udmabuf, or the container was not given it`,
      hint: `as root: modprobe udmabuf; it is CONFIG_UDMABUF of Linux 4.20 and later. A container: start it with --device ${NODE}. In a test pass { kernel: machine.kernel }`,
    }),
  })
}
