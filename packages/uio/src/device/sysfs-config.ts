import { type DmaError, explain, isDmaError, type Kernel } from '@linux-dma/core'
import { O_RDWR } from '@linux-dma/native'
import { PCI_DEVICES, PciConfigSpace } from '@linux-dma/pci'

/** Bytes of configuration space that every PCI device has, and that those of PCI Express have. */
const SMALL = 0x100
const LARGE = 0x1000

/** Who is asked before an access, and told of bus mastering. */
export interface ConfigUser {
  hasMappedRegisters(): boolean
  setBusMaster(on: boolean, before?: boolean): void
  isMasterOff(): boolean
  assertOwned(writes: boolean): void
  /** The PCI device is not there any more. @returns what to throw */
  gone(error: unknown): unknown
}

/**
 * Configuration space of a PCI device through sysfs. It belongs to root, whoever has the UIO device: where it may not be
 * opened that is said by the first who needs it.
 */
export class SysfsConfig {
  readonly #kernel: Kernel
  readonly #fd: number | undefined
  readonly #refusal: unknown
  readonly allowed: PciConfigSpace | undefined

  /** @throws what opening it answers, unless that it is not permitted */
  constructor(kernel: Kernel, address: string, user: ConfigUser) {
    this.#kernel = kernel
    const path = `${PCI_DEVICES}/${address}/config`
    try {
      this.#fd = kernel.open(path, O_RDWR)
    } catch (error) {
      if (!isNotPermitted(error)) throw error
      this.#refusal = error
      return
    }
    try {
      this.allowed = new PciConfigSpace(
        throughFile(kernel, user),
        this.#fd,
        { position: 0, byteLength: sizeOf(kernel, this.#fd) },
        address,
        {
          hasMappedRegisters: () => user.hasMappedRegisters(),
          onBusMaster: (on, before) => user.setBusMaster(on, before),
          isMasterOff: () => user.isMasterOff(),
          assertOwned: (writes) => user.assertOwned(writes),
        },
      )
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** @throws EACCES, EPERM, EROFS with what permits it */
  get space(): PciConfigSpace {
    if (this.allowed) return this.allowed
    throw this.#whyNot()
  }

  close(): void {
    this.allowed?.window.close()
    if (this.#fd !== undefined) this.#kernel.close(this.#fd)
  }

  /** Made anew each time, so that its stack names who needed it. */
  #whyNot(): unknown {
    const { path, code } = this.#refusal as DmaError
    const reason = {
      message: `${path} may not be written by this user, which bus mastering and interrupts need`,
      hint:
        code === 'EACCES'
          ? `sudo chown "$USER" ${path}; for good, by a rule of udev: RUN+="/bin/chgrp plugdev ${path}", RUN+="/bin/chmod g+rw ${path}"`
          : 'sysfs is read-only here, or the kernel is locked down: in a container, mount /sys to be written',
    }
    return explain(this.#refusal, { [code]: () => reason })
  }
}

/** Reads and writes of a file that answers ENODEV once the PCI device was unplugged. */
function throughFile(kernel: Kernel, user: ConfigUser): Pick<Kernel, 'read' | 'write'> {
  const rethrow = (error: unknown): never => {
    throw isDmaError(error, 'ENODEV') ? user.gone(error) : error
  }
  return {
    read(fd, bytes, position) {
      try {
        return kernel.read(fd, bytes, position)
      } catch (error) {
        return rethrow(error)
      }
    },
    write(fd, bytes, position) {
      try {
        return kernel.write(fd, bytes, position)
      } catch (error) {
        return rethrow(error)
      }
    },
  }
}

function isNotPermitted(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].some((code) => isDmaError(error, code))
}

/** What is behind the end reads as nothing. */
function sizeOf(kernel: Kernel, fd: number): number {
  return kernel.read(fd, new Uint8Array(1), SMALL) === 0 ? SMALL : LARGE
}
