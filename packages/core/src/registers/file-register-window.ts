import {
  type BoundRegister,
  DmaError,
  type FileDescriptor,
  type Kernel,
  type RegisterWindow,
} from '@linux-dma/native'

/** Bits that one access moves. */
type Width = 8 | 16 | 32

/**
 * Registers reached by one pread or pwrite each, at a position of a descriptor: PCI configuration space, I/O ports, and
 * BARs that cannot be mapped. Accesses are 8, 16 or 32 bits wide, as these buses have them.
 */
export class FileRegisterWindow implements RegisterWindow {
  readonly byteLength: number
  readonly #kernel: Pick<Kernel, 'read' | 'write'>
  readonly #fd: FileDescriptor
  readonly #position: number
  readonly #widths: readonly Width[]
  readonly #beforeAccess: (writes: boolean) => void
  readonly #beforeWrite: (byteOffset: number, bytes: Uint8Array) => void
  readonly #onWrite: (byteOffset: number, byteLength: number) => void
  readonly #name: string
  // Apart, since a write is looked at, and registers may be read for that, before it is made.
  readonly #loaded = new DataView(new ArrayBuffer(4))
  readonly #stored = new DataView(new ArrayBuffer(4))
  #closed = false

  /**
   * @param options.name what errors call the registers
   * @param options.widths the accesses that the file passes on as one; default: 8, 16 and 32 bits
   * @param options.beforeAccess told of each access before it is made; what it throws refuses it
   * @param options.beforeWrite shown each write before it is made; what it throws refuses the write
   * @param options.onWrite told of each write after it was made
   */
  constructor(
    kernel: Pick<Kernel, 'read' | 'write'>,
    fd: FileDescriptor,
    options: {
      name: string
      position: number
      byteLength: number
      widths?: readonly Width[]
      beforeAccess?: (writes: boolean) => void
      beforeWrite?: (byteOffset: number, bytes: Uint8Array) => void
      onWrite?: (byteOffset: number, byteLength: number) => void
    },
  ) {
    this.#kernel = kernel
    this.#fd = fd
    this.#position = options.position
    this.byteLength = options.byteLength
    this.#name = options.name
    this.#widths = options.widths ?? [8, 16, 32]
    this.#beforeAccess = options.beforeAccess ?? (() => {})
    this.#beforeWrite = options.beforeWrite ?? (() => {})
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

  read64(): bigint {
    throw this.#tooWide()
  }

  write8(byteOffset: number, value: number): void {
    this.#stored.setUint8(0, value)
    this.#store(byteOffset, 1)
  }

  write16(byteOffset: number, value: number): void {
    this.#stored.setUint16(0, value, true)
    this.#store(byteOffset, 2)
  }

  write32(byteOffset: number, value: number): void {
    this.#stored.setUint32(0, value, true)
    this.#store(byteOffset, 4)
  }

  write64(): void {
    throw this.#tooWide()
  }

  bind(byteOffset: number, width: Width): BoundRegister {
    this.#assertWidth(width)
    switch (width) {
      case 8:
        return { read: () => this.read8(byteOffset), write: (value) => this.write8(byteOffset, value) }
      case 16:
        return { read: () => this.read16(byteOffset), write: (value) => this.write16(byteOffset, value) }
      case 32:
        return { read: () => this.read32(byteOffset), write: (value) => this.write32(byteOffset, value) }
    }
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Ends all access, also through bound registers. The descriptor belongs to whoever opened it. */
  close(): void {
    this.#closed = true
  }

  #load(byteOffset: number, byteLength: number): DataView {
    this.#assertOpen()
    this.#assertWidth((byteLength * 8) as Width)
    this.#beforeAccess(false)
    const bytes = new Uint8Array(this.#loaded.buffer, 0, byteLength)
    this.#assertWhole(
      'read',
      this.#kernel.read(this.#fd, bytes, this.#position + byteOffset),
      byteOffset,
      byteLength,
    )
    return this.#loaded
  }

  #store(byteOffset: number, byteLength: number): void {
    this.#assertOpen()
    this.#assertWidth((byteLength * 8) as Width)
    this.#beforeAccess(true)
    const bytes = new Uint8Array(this.#stored.buffer, 0, byteLength)
    this.#beforeWrite(byteOffset, bytes)
    this.#assertWhole(
      'write',
      this.#kernel.write(this.#fd, bytes, this.#position + byteOffset),
      byteOffset,
      byteLength,
    )
    this.#onWrite(byteOffset, byteLength)
  }

  /** The descriptor's number may be another file's by now. */
  #assertOpen(): void {
    if (this.#closed) throw new DmaError('DMA_CLOSED', `${this.#name} is closed`)
  }

  #assertWhole(verb: string, moved: number, byteOffset: number, byteLength: number): void {
    if (moved === byteLength) return
    throw new DmaError(
      'EIO',
      `${this.#name}: a ${verb} of ${byteLength} bytes at 0x${byteOffset.toString(16)} moved ${moved}`,
      {
        hint: 'the device may be gone: look for it with lspci',
      },
    )
  }

  /** A wider access would be cut into narrower ones on its way, which devices take for something else. */
  #assertWidth(width: Width): void {
    if (this.#widths.includes(width)) return
    throw new DmaError('DMA_UNSUPPORTED', `${this.#name} has no ${width}-bit accesses`, {
      hint: `those that arrive whole are ${this.#widths.join(', ')} bits wide`,
    })
  }

  #tooWide(): DmaError {
    return new DmaError('DMA_UNSUPPORTED', `${this.#name} has no 64-bit accesses`, {
      hint: 'use two 32-bit ones; for an address writeAddressLowHigh() or writeAddressHighLow()',
    })
  }
}
