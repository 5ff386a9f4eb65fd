import { callSite } from '@linux-dma/native'
import { fail } from '../errors'
import type { FakeProcess } from '../process'
import type { OpenFile } from './open-file'

/** The first number that the fake gives out: 0, 1 and 2 are the standard streams. */
const firstDescriptor = 3

/** The open descriptors of the fake process. */
export class DescriptorTable {
  readonly #process: FakeProcess
  readonly #files = new Map<number, { file: OpenFile; openedAt: string; closeOnExec: boolean }>()

  constructor(process: FakeProcess) {
    this.#process = process
  }

  get size(): number {
    return this.#files.size
  }

  /** Gives `file` the lowest free number. `EMFILE` at RLIMIT_NOFILE. */
  install(file: OpenFile, closeOnExec = true): number {
    let descriptor = firstDescriptor
    while (this.#files.has(descriptor)) descriptor++
    if (descriptor >= this.#process.openFileLimit) {
      fail('EMFILE', `RLIMIT_NOFILE is ${this.#process.openFileLimit}`)
    }
    this.#files.set(descriptor, { file: file.retain(), openedAt: callSite(), closeOnExec })
    return descriptor
  }

  /** A descriptor for a file that nobody refers to yet: let go where there is no number left for it. `EMFILE` */
  installNew(file: OpenFile): number {
    file.retain()
    try {
      return this.install(file)
    } finally {
      file.release()
    }
  }

  /** `EMFILE` when fewer than `count` more descriptors can be had: asked before something is made for them. */
  reserve(count: number): void {
    if (firstDescriptor + this.#files.size + count > this.#process.openFileLimit) {
      fail('EMFILE', `RLIMIT_NOFILE is ${this.#process.openFileLimit}`)
    }
  }

  /** What is open, ascending. */
  numbers(): number[] {
    return [...this.#files.keys()].sort((a, b) => a - b)
  }

  find(descriptor: number): OpenFile | undefined {
    return this.#files.get(descriptor)?.file
  }

  /** Whether execve(2) would close it. */
  closesOnExec(descriptor: number): boolean {
    return this.#files.get(descriptor)?.closeOnExec === true
  }

  /** The file behind a descriptor. `EBADF`. */
  get(descriptor: number): OpenFile {
    return this.find(descriptor) ?? fail('EBADF', `descriptor ${descriptor} is not open`)
  }

  close(descriptor: number): void {
    const file = this.get(descriptor)
    this.#files.delete(descriptor)
    file.release()
  }

  /** One line for each open descriptor. */
  describe(): string[] {
    return [...this.#files].map(
      ([descriptor, { file, openedAt }]) => `descriptor ${descriptor} of ${file.path}, opened ${openedAt}`,
    )
  }
}
