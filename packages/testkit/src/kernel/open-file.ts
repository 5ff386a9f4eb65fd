import { type MmapOptions, POLLIN, POLLOUT, type RegisterWindow } from '@linux-dma/native'
import { fail } from '../errors'
import type { MemoryRange } from '../memory/storage'
import type { UserMemory } from './user-memory'

/** How a file was opened. */
export type FileAccess = 'read' | 'write' | 'read-write'

/** A checked request to map a part of a file. */
export type MapRequest = Required<MmapOptions>

/**
 * An open file description: what a descriptor refers to. Descriptors, messages in flight, register windows and
 * other files hold references; the last one to go runs `onRelease`, as fput() does.
 */
export abstract class OpenFile {
  /** File position of reads and writes that give none, in bytes. */
  position = 0
  /** Whether reads and writes take a position: a counter or a socket does not (`ESPIPE`). */
  readonly seekable: boolean = true
  /** Whether there is anything to wait for: most files are always ready. */
  readonly waitable: boolean = false
  /** Opened with O_NONBLOCK: what would have to wait is `EAGAIN`. */
  nonBlocking = false
  /** Opened with O_SYNC or O_DSYNC. */
  synchronous = false
  #references = 0

  constructor(
    /** What was opened, for messages. */
    readonly path: string,
    readonly access: FileAccess = 'read-write',
  ) {}

  retain(): this {
    this.#references++
    return this
  }

  release(): void {
    this.#references--
    if (this.#references === 0) this.onRelease()
  }

  /** Who refers to it: descriptors, messages in flight, mappings, other files. */
  get references(): number {
    return this.#references
  }

  /** What the link in `/proc/self/fd` says. */
  get linkText(): string {
    return this.path
  }

  /** O_ACCMODE and what open(2) added, as `/proc/self/fdinfo` shows them: O_LARGEFILE for what was opened by a path. */
  get statusFlags(): number {
    return { read: 0, write: 1, 'read-write': 2 }[this.access] | 0o100000
  }

  /** Lines of its own in `/proc/self/fdinfo`. */
  get infoLines(): readonly string[] {
    return []
  }

  /** What fstat(2) calls it: 0 where nobody can tell it from others. */
  get inode(): number {
    return 0
  }

  /**
   * Another description of the same file, for `/proc/self/fd`. `ENXIO`, as Linux answers for sockets and for all that has
   * no name of its own.
   */
  reopen(_access: FileAccess): OpenFile {
    return fail('ENXIO', `${this.path} cannot be opened once more`)
  }

  /** Reads at `position` and returns the count of bytes. */
  readAt(_bytes: Uint8Array, _position: number): number {
    return fail('EINVAL', `${this.path} cannot be read`)
  }

  /** Writes at `position` and returns the count of bytes. */
  writeAt(_bytes: Uint8Array, _position: number): number {
    return fail('EINVAL', `${this.path} cannot be written`)
  }

  ioctl(_request: number, _argument: UserMemory): number {
    return fail('ENOTTY')
  }

  /** Refuses to map what would end the process later, as the packages' own addon does before it asks Linux. */
  checkMappable(_request: MapRequest): void {}

  /** The memory that mmap of this file gives. */
  mapMemory(_request: MapRequest): MemoryRange {
    return fail('ENODEV', `${this.path} cannot be mapped`)
  }

  /** The device registers that mmap of this file gives. */
  mapRegisters(_request: MapRequest): RegisterWindow {
    return fail('ENODEV', `${this.path} has no registers to map`)
  }

  /** The `POLL…` bits that are true now. */
  pollMask(): number {
    return POLLIN | POLLOUT
  }

  /** Runs when the last reference is gone. */
  protected onRelease(): void {}
}
