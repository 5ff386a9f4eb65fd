import { constants } from 'node:buffer'
import type { Addon, MappingHandle } from './addon'
import { DmaError } from './errors'
import { LinuxPin } from './linux-pin'
import type { MemoryMapping } from './memory-mapping'
import type { MemoryPin } from './memory-pin'
import { toDmaError } from './system-error'
import { checkInteger, checkOptions } from './validate'

/** A shared mapping of the real kernel's: see {@link MemoryMapping}. */
export class LinuxMapping implements MemoryMapping {
  readonly byteLength: number
  readonly #addon: Addon
  readonly #handle: MappingHandle
  // Made when it is first asked for: a mapping that was never looked at gives its addresses back at once.
  #bytes: Uint8Array | undefined
  #address: number | undefined
  #closed = false

  constructor(addon: Addon, handle: MappingHandle, byteLength: number) {
    this.#addon = addon
    this.#handle = handle
    this.byteLength = byteLength
  }

  get address(): number {
    this.#address ??= this.#addon.mappingAddress(this.#handle)
    return this.#address
  }

  get closed(): boolean {
    return this.#closed
  }

  /** @throws DMA_CLOSED; DMA_TOO_LARGE above Node's longest ArrayBuffer; DMA_NO_EXTERNAL_BUFFERS under Electron */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) {
      this.#assertOpen()
      this.#bytes = new Uint8Array(viewOf(this.#addon, this.#handle, this.byteLength))
    }
    return this.#bytes
  }

  /** @throws ENOMEM where the process has no map left to park with: nothing has changed then, and a later call may do */
  close(options?: { detach?: boolean }): void {
    const { detach = false } = checkOptions('close', options, ['detach'])
    if (this.#closed) return
    try {
      this.#addon.closeMapping(this.#handle)
    } catch (error) {
      throw toDmaError(error)
    }
    this.#closed = true
    if (detach && this.#bytes !== undefined) this.#addon.detachBuffer(this.#bytes.buffer as ArrayBuffer)
    this.#bytes = undefined
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** mlock(2) or munlock(2) of a part: what {@link Kernel.mlock} does. Internal. */
  lock(lock: boolean, byteOffset = 0, byteLength?: number): void {
    this.#assertOpen()
    checkInteger('byteOffset', byteOffset, 0, this.byteLength)
    const rest = this.byteLength - byteOffset
    const length = byteLength === undefined ? rest : checkInteger('byteLength', byteLength, 0, rest)
    try {
      this.#addon.lockMapping(this.#handle, byteOffset, length, lock)
    } catch (error) {
      throw toDmaError(error, { hint: (code) => lockHint(this.#addon, code, length) })
    }
  }

  /** Pins a part: what {@link Kernel.pin} does. Internal. */
  pin(byteOffset = 0, byteLength?: number): MemoryPin {
    this.#assertOpen()
    checkInteger('byteOffset', byteOffset, 0, this.byteLength - 1)
    const rest = this.byteLength - byteOffset
    const length = byteLength === undefined ? rest : checkInteger('byteLength', byteLength, 1, rest)
    return new LinuxPin(this.#addon, this.#handle, byteOffset, length)
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError('the mapping')
  }
}

/** The one ArrayBuffer over a mapping. @throws DMA_TOO_LARGE, DMA_NO_EXTERNAL_BUFFERS */
export function viewOf(addon: Addon, handle: MappingHandle, byteLength: number): ArrayBuffer {
  if (byteLength > constants.MAX_LENGTH) {
    throw new DmaError(
      'DMA_TOO_LARGE',
      `no ArrayBuffer has ${byteLength} bytes: the longest has ${constants.MAX_LENGTH}`,
      {
        hint: 'map the file in parts: mmap(fd, { byteLength, position })',
      },
    )
  }
  try {
    // Node itself keeps external memory from being moved to another thread. Not markAsUntransferable() on top of that:
    // from Node 24 on it sets a key without which Node cannot detach the buffer at the end of a worker, and aborts.
    return addon.viewMapping(handle)
  } catch (error) {
    throw toDmaError(error)
  }
}

/** The error of a use after `close()`. */
export function closedError(what: string): DmaError {
  return new DmaError('DMA_CLOSED', `${what} is closed`)
}

function lockHint(addon: Addon, code: string, byteLength: number): string | undefined {
  if (code !== 'ENOMEM' && code !== 'EPERM' && code !== 'EAGAIN') return undefined
  const limit = limitOf(addon)
  const now = limit < 0 ? 'the limit is not known' : `the limit is ${limit} bytes in all`
  return `${byteLength} more bytes were to be locked; ${now}: sudo prlimit --pid ${process.pid} --memlock=unlimited`
}

function limitOf(addon: Addon): number {
  try {
    return addon.lockedMemoryLimit()
  } catch {
    // The error at hand matters more than this one.
    return -1
  }
}
