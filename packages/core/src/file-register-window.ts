import type { BoundRegister, FileDescriptor, Kernel, RegisterWindow } from '@linux-dma/native'

/**
 * Registers reached by one pread or pwrite each, at a position of a descriptor: PCI configuration space, I/O-port BARs,
 * and BARs that cannot be mapped. The kernel makes an access of exactly the length that is asked for.
 */
export class FileRegisterWindow implements RegisterWindow {
  readonly byteLength: number
  readonly #kernel: Kernel
  readonly #fd: FileDescriptor
  readonly #position: number
  readonly #onWrite: (byteOffset: number, byteLength: number) => void
  readonly #cell = new Uint8Array(8)
  readonly #view = new DataView(this.#cell.buffer)

  /** @param options.onWrite told of each write, after it was made */
  constructor(
    kernel: Kernel,
    fd: FileDescriptor,
    options: {
      position: number
      byteLength: number
      onWrite?: (byteOffset: number, byteLength: number) => void
    },
  ) {
    this.#kernel = kernel
    this.#fd = fd
    this.#position = options.position
    this.byteLength = options.byteLength
    this.#onWrite = options.onWrite ?? (() => {})
  }

  /** A system call orders everything around it. */
  get relaxed(): RegisterWindow {
    return this
  }

  read8(byteOffset: number): number {
    return this.#load(byteOffset, 1).getUint8(0)
  }

  read16(byteOffset: number): number {
    return this.#load(byteOffset, 2).getUint16(0, true)
  }

  read32(byteOffset: number): number {
    return this.#load(byteOffset, 4).getUint32(0, true)
  }

  read64(byteOffset: number): bigint {
    return this.#load(byteOffset, 8).getBigUint64(0, true)
  }

  write8(byteOffset: number, value: number): void {
    this.#view.setUint8(0, value)
    this.#store(byteOffset, 1)
  }

  write16(byteOffset: number, value: number): void {
    this.#view.setUint16(0, value, true)
    this.#store(byteOffset, 2)
  }

  write32(byteOffset: number, value: number): void {
    this.#view.setUint32(0, value, true)
    this.#store(byteOffset, 4)
  }

  write64(byteOffset: number, low: number, high: number): void {
    this.#view.setUint32(0, low, true)
    this.#view.setUint32(4, high, true)
    this.#store(byteOffset, 8)
  }

  bind(byteOffset: number, width: 8 | 16 | 32): BoundRegister {
    switch (width) {
      case 8:
        return { read: () => this.read8(byteOffset), write: (value) => this.write8(byteOffset, value) }
      case 16:
        return { read: () => this.read16(byteOffset), write: (value) => this.write16(byteOffset, value) }
      case 32:
        return { read: () => this.read32(byteOffset), write: (value) => this.write32(byteOffset, value) }
    }
  }

  /** The descriptor belongs to whoever opened it; once that is closed, accesses fail with EBADF. */
  close(): void {}

  #load(byteOffset: number, byteLength: number): DataView {
    this.#kernel.read(this.#fd, this.#cell.subarray(0, byteLength), this.#position + byteOffset)
    return this.#view
  }

  #store(byteOffset: number, byteLength: number): void {
    this.#kernel.write(this.#fd, this.#cell.subarray(0, byteLength), this.#position + byteOffset)
    this.#onWrite(byteOffset, byteLength)
  }
}
