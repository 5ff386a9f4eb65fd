import { closeAll, DmaError, type Kernel } from '@linux-dma/core'
import type { Watch } from '@linux-dma/native'
import * as vfio from './constants'
import { encodeIrqSet, type IrqInfo } from './structs'

/**
 * Word from the kernel that it wants a device back: somebody unbinds it, or it is being unplugged. The kernel waits, and
 * so does whoever wrote to `unbind`, until the device is closed.
 */
export class RemovalRequest {
  readonly #kernel: Kernel
  readonly #deviceFd: number
  readonly #controller = new AbortController()
  #eventfd: number | undefined
  #watch: Watch | undefined

  /** @param irqs what the device has; one without this kind of notice is never asked back */
  constructor(kernel: Kernel, deviceFd: number, irqs: readonly IrqInfo[], name: string) {
    this.#kernel = kernel
    this.#deviceFd = deviceFd
    const offered = irqs.some(({ index, count }) => index === vfio.VFIO_PCI_REQ_IRQ_INDEX && count > 0)
    if (!offered) return
    const reason = new DmaError(
      'DMA_REMOVAL_REQUESTED',
      `the kernel wants ${name} back: it is being unbound or unplugged`,
      {
        hint: 'close the device: until then, whoever unbinds it waits',
      },
    )
    try {
      this.#eventfd = kernel.eventfd()
      const listener = { onCount: () => this.#controller.abort(reason), onError: () => {} }
      this.#watch = kernel.watch(this.#eventfd, 8, listener)
      // It is no reason for a process to stay that its device may be asked back.
      this.#watch.unref()
      this.#set(vfio.VFIO_IRQ_SET_DATA_EVENTFD | vfio.VFIO_IRQ_SET_ACTION_TRIGGER, [this.#eventfd])
    } catch (error) {
      this.#release()
      throw error
    }
  }

  /** Aborted, with DMA_REMOVAL_REQUESTED, when the device is asked back. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  close(): void {
    if (this.#eventfd === undefined) return
    try {
      this.#set(vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_ACTION_TRIGGER, 0)
    } finally {
      this.#release()
    }
  }

  #set(flags: number, vectors: readonly number[] | number): void {
    const argument = encodeIrqSet(vfio.VFIO_PCI_REQ_IRQ_INDEX, flags, vectors)
    this.#kernel.ioctl(this.#deviceFd, vfio.VFIO_DEVICE_SET_IRQS, argument, 'VFIO_DEVICE_SET_IRQS')
  }

  #release(): void {
    const eventfd = this.#eventfd
    this.#eventfd = undefined
    closeAll([
      () => this.#watch?.close(),
      () => {
        if (eventfd !== undefined) this.#kernel.close(eventfd)
      },
    ])
  }
}
