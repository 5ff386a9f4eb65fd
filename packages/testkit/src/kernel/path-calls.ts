import { O_NONBLOCK } from '@linux-dma/native'
import { checkInteger, checkText } from '../arguments'
import { fail, SystemFailure, systemError } from '../errors'
import { readWhole } from '../fs/text-open-file'
import type { KernelParts } from './kernel-parts'
import type { FileAccess, OpenFile } from './open-file'
import type { SystemCall } from './system-call'

/** A bit of O_SYNC, too. */
const O_DSYNC = 0o10000

const accessModes: readonly FileAccess[] = ['read', 'write', 'read-write']

/** The verbs that name a file by its path. */
export class PathCalls {
  readonly #parts: KernelParts
  readonly #call: SystemCall

  constructor(parts: KernelParts, call: SystemCall) {
    this.#parts = parts
    this.#call = call
  }

  open(path: string, flags: number): number {
    checkText(path, 'path')
    checkInteger(flags, 'flags', 0, 0x7fffffff)
    const access = accessModes[flags & 3]
    const { descriptors, fs } = this.#parts
    return this.#call('open', path, () => {
      // A descriptor first, as Linux does it: a driver hears of no open that fails for the want of one.
      descriptors.reserve(1)
      const file = fs.open(path, access ?? fail('EINVAL', 'no such access mode'))
      file.nonBlocking = (flags & O_NONBLOCK) !== 0
      file.synchronous = (flags & O_DSYNC) !== 0
      return descriptors.installNew(file)
    })
  }

  readText(path: string): string {
    checkText(path, 'path')
    return this.#call('open', path, () => {
      const file = this.#parts.fs.open(path, 'read').retain()
      try {
        return readWhole(file)
      } finally {
        file.release()
      }
    })
  }

  writeText(path: string, text: string): void {
    checkText(path, 'path')
    if (text !== '') checkText(text, 'text')
    this.#call('write', path, () => {
      const file = this.#openForWriting(path).retain()
      try {
        file.writeAt(new TextEncoder().encode(text), 0)
      } finally {
        file.release()
      }
    })
  }

  /** What fails here is the open, not the write. */
  #openForWriting(path: string): OpenFile {
    try {
      return this.#parts.fs.open(path, 'write')
    } catch (error) {
      throw error instanceof SystemFailure ? systemError(error, 'open', path) : error
    }
  }

  list(path: string): string[] {
    checkText(path, 'path')
    return this.#call('scandir', path, () => this.#parts.fs.list(path))
  }

  readLink(path: string): string {
    checkText(path, 'path')
    return this.#call('readlink', path, () => this.#parts.fs.readLink(path))
  }

  unlink(path: string): void {
    checkText(path, 'path')
    this.#call('unlink', path, () => this.#parts.fs.unlink(path))
  }
}
