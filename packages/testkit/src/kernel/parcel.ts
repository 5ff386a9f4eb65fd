import { fail } from '../errors'
import type { FakeProcess } from '../process'
import type { OpenFile } from './open-file'

/** Bytes and files on their way from one socket to another. The files are kept open until they are taken or dropped. */
export class Parcel {
  /** What has not been read yet. */
  bytes: Uint8Array
  /** Bytes that count against the sender's buffer. */
  readonly memory: number
  readonly #process: FakeProcess
  #files: readonly OpenFile[]

  /** `ETOOMANYREFS` where too many files are on their way already. */
  constructor(bytes: Uint8Array, files: readonly OpenFile[], memory: number, process: FakeProcess) {
    const { filesInFlight, openFileLimit } = process
    if (files.length > 0 && filesInFlight > openFileLimit && !process.has('CAP_SYS_ADMIN')) {
      fail(
        'ETOOMANYREFS',
        `${filesInFlight} descriptors are on their way and RLIMIT_NOFILE is ${openFileLimit}`,
        'let the other side receive some first',
      )
    }
    this.bytes = bytes.slice()
    this.memory = memory
    this.#process = process
    this.#files = files
    for (const file of files) file.retain()
    process.filesInFlight += files.length
  }

  get fileCount(): number {
    return this.#files.length
  }

  /** The files, which the caller has to release: once. */
  takeFiles(): readonly OpenFile[] {
    const files = this.#files
    this.#files = []
    this.#process.filesInFlight -= files.length
    return files
  }

  drop(): void {
    for (const file of this.takeFiles()) file.release()
  }
}
