import { checkInteger } from './arguments'
import { fail, invalidArgument } from './errors'

/** Capabilities that the fake kernel asks for, with Linux's bit numbers. */
export const capabilityBits = {
  CAP_DAC_OVERRIDE: 1,
  CAP_FOWNER: 3,
  CAP_IPC_LOCK: 14,
  CAP_SYS_RAWIO: 17,
  CAP_SYS_ADMIN: 21,
} as const

/** Name of a Linux capability that means something to the fake kernel. */
export type Capability = keyof typeof capabilityBits

/** All 41 capabilities of Linux 6.12, as `CapEff` shows them. */
const everyCapability = (1n << 41n) - 1n

const pageSize = 4096

/** Who the program is to the fake kernel, and what it may use. */
export class FakeProcess {
  readonly pid = 1234
  uid = 0
  gid = 0
  /** RLIMIT_NOFILE. */
  openFileLimit = 1024
  /** RLIMIT_MEMLOCK in bytes, `Infinity` for none. */
  memlockLimit = 8 * 1024 * 1024
  /** Pages that mlock and VFIO hold: the kernel counts both in one number. */
  lockedPages = 0
  /** Pages that an io_uring holds: counted apart from those, for the user and not for the process. */
  pinnedPages = 0
  /** Descriptors that wait in sockets to be received. */
  filesInFlight = 0
  /** Absent: all of them for uid 0, none for anybody else. */
  #capabilities: ReadonlySet<Capability> | undefined

  setUid(uid: number): void {
    this.uid = checkInteger(uid, 'uid', 0, 0xffffffff)
    this.gid = uid
  }

  setOpenFileLimit(count: number): void {
    this.openFileLimit = checkInteger(count, 'openFileLimit', 0)
  }

  setMemlockLimit(bytes: number): void {
    this.memlockLimit = bytes === Number.POSITIVE_INFINITY ? bytes : checkInteger(bytes, 'memlockLimit', 0)
  }

  setCapabilities(capabilities: readonly Capability[] | undefined): void {
    for (const name of capabilities ?? []) {
      if (!Object.hasOwn(capabilityBits, name)) {
        invalidArgument(`no capability '${name}'`, `use one of: ${Object.keys(capabilityBits).join(', ')}`)
      }
    }
    this.#capabilities = capabilities && new Set(capabilities)
  }

  has(capability: Capability): boolean {
    return this.#capabilities?.has(capability) ?? this.uid === 0
  }

  /** The effective set as a bit mask, for `/proc/self/status`. */
  capabilityMask(): bigint {
    if (this.#capabilities === undefined) return this.uid === 0 ? everyCapability : 0n
    return [...this.#capabilities].reduce((mask, name) => mask | (1n << BigInt(capabilityBits[name])), 0n)
  }

  /** Whether so many more pages may be locked. `ENOMEM` beyond RLIMIT_MEMLOCK. */
  checkLock(pages: number): void {
    const needed = (this.lockedPages + pages) * pageSize
    if (!this.has('CAP_IPC_LOCK') && needed > this.memlockLimit) {
      fail(
        'ENOMEM',
        `RLIMIT_MEMLOCK is ${this.memlockLimit} bytes and ${needed} would be locked`,
        `raise the limit: ulimit -l ${Math.ceil(needed / 1024)}; on a fake machine: machine.setMemlockLimit(${needed})`,
      )
    }
  }

  /** Counts `pages` against RLIMIT_MEMLOCK: all of them, or `ENOMEM` and none. */
  lockPages(pages: number): void {
    this.checkLock(pages)
    this.lockedPages += pages
  }

  /** Counts `pages` that an io_uring pins: all of them, or `ENOMEM` and none. */
  pinPages(pages: number): void {
    const needed = (this.pinnedPages + pages) * pageSize
    if (!this.has('CAP_IPC_LOCK') && needed > this.memlockLimit) {
      fail(
        'ENOMEM',
        `RLIMIT_MEMLOCK is ${this.memlockLimit} bytes and ${needed} would be pinned`,
        `raise the limit: ulimit -l ${Math.ceil(needed / 1024)}; on a fake machine: machine.setMemlockLimit(${needed})`,
      )
    }
    this.pinnedPages += pages
  }

  unpinPages(pages: number): void {
    this.pinnedPages -= pages
  }

  unlockPages(pages: number): void {
    this.lockedPages -= pages
  }
}
