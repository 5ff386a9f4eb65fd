import { readFileSync } from 'node:fs'
import type { Addon, MappingHandle } from './addon'
import type { MemoryPin } from './memory-pin'
import { toDmaError } from './system-error'

/** Pages held by an io_uring of the real kernel's: see {@link MemoryPin}. */
export class LinuxPin implements MemoryPin {
  readonly #addon: Addon
  readonly #fd: number
  #closed = false

  constructor(addon: Addon, mapping: MappingHandle, byteOffset: number, byteLength: number) {
    this.#addon = addon
    try {
      this.#fd = addon.pinMapping(mapping, byteOffset, byteLength)
    } catch (error) {
      throw toDmaError(error, { hint: (code) => pinHint(code, byteLength) })
    }
  }

  get closed(): boolean {
    return this.#closed
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    try {
      this.#addon.unpin(this.#fd)
    } catch (error) {
      throw toDmaError(error)
    }
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

const SWITCH = '/proc/sys/kernel/io_uring_disabled'
const INSTEAD = 'huge pages (hugePageSize) and memory mapped through VFIO stay in place without a pin'

/** What to do where pages could not be pinned. */
export function pinHint(
  code: string,
  byteLength: number,
  disabled: string = switchText(),
): string | undefined {
  switch (code) {
    case 'EPERM':
      return disabled === '1' || disabled === '2'
        ? `kernel.io_uring_disabled is ${disabled}: sudo sysctl kernel.io_uring_disabled=0; or do without: ${INSTEAD}`
        : `a seccomp filter keeps io_uring from this process, as containers do: docker run --security-opt seccomp=FILE with io_uring_setup and io_uring_register allowed; or do without: ${INSTEAD}`
    case 'ENOSYS':
      return `this kernel was built without CONFIG_IO_URING, or a container's seccomp filter hides it; do without: ${INSTEAD}`
    // What Linux calls EOPNOTSUPP.
    case 'ENOTSUP':
      return `this kernel pins no memfd; do without: ${INSTEAD}`
    case 'EFAULT':
      return `only memory that is mapped for reading and writing has pages to pin, and not a device's`
    case 'ENOMEM':
      return `${byteLength} more bytes were to be pinned, which counts against RLIMIT_MEMLOCK for all processes of the user: sudo prlimit --pid ${process.pid} --memlock=unlimited`
    default:
      return undefined
  }
}

function switchText(): string {
  try {
    return readFileSync(SWITCH, 'utf8').trim()
  } catch {
    // Kernels before 6.6 have no such switch.
    return ''
  }
}
