import { closeAll, DmaError, isDmaError, type Kernel } from '@linux-dma/core'
import type { FileDescriptor } from '@linux-dma/native'
import type { UioDeviceInfo } from '../discovery/uio-device-info'
import { openNode } from './open-node'

/** How often one that came first looks whether another one, which opens the device at the same moment, has withdrawn. */
const LOOKS = 20

/**
 * The one descriptor of a device's node that this process has: closing any other, by a second copy of this package, another kernel
 * object, another thread or the program's own open(), takes bus mastering from this one.
 *
 * So the device is claimed before its node is opened, by an empty memfd of its name, which every thread finds among the descriptors
 * of the process, and which harms nobody when it is closed. Whoever sees another claim beside its own withdraws: of two, the later
 * sees the earlier, so at most one opens the node. Of two at the same moment, the one with the lower descriptor waits a little for the
 * other to withdraw.
 */
export class SoleDescriptor {
  readonly fd: FileDescriptor
  readonly #kernel: Kernel
  #claim: FileDescriptor | undefined

  /**
   * @param own descriptors that are shared by right: those of devices that have gone
   * @throws DMA_ALREADY_OPEN; DMA_DEVICE_GONE; EMFILE and what else looking at descriptors answers; what open(2) answers, with hints.
   *   Nothing stays open then.
   */
  constructor(kernel: Kernel, info: UioDeviceInfo, own: ReadonlySet<FileDescriptor>) {
    this.#kernel = kernel
    const found = others(kernel, info, own)
    if (found.length > 0) throw alreadyOpen(info, found)
    const claim = kernel.memfd(claimName(info), { byteLength: kernel.pageSize })
    this.#claim = claim
    try {
      outlast(kernel, info, new Set([...own, claim]), claim)
      this.fd = openNode(kernel, info)
    } catch (error) {
      this.giveUpClaim()
      throw error
    }
  }

  /** Lets others open what is there under the same name now: the device has gone. */
  giveUpClaim(): void {
    const claim = this.#claim
    this.#claim = undefined
    if (claim !== undefined) this.#kernel.close(claim)
  }

  /** The node first: until it is closed nobody else may open it. */
  close(): void {
    closeAll([() => this.#kernel.close(this.fd), () => this.giveUpClaim()])
  }
}

/** A descriptor of a device's node, or a claim to it. */
interface Other {
  readonly fd: FileDescriptor
  readonly isClaim: boolean
}

function outlast(
  kernel: Kernel,
  info: UioDeviceInfo,
  own: ReadonlySet<FileDescriptor>,
  claim: FileDescriptor,
): void {
  for (let look = 1; ; look++) {
    const found = others(kernel, info, own)
    if (found.length === 0) return
    // One that has the node stays. One that has but a claim withdraws where it is the later one.
    const mayWithdraw = found.every((other) => other.isClaim && other.fd > claim)
    if (!mayWithdraw || look === LOOKS) throw alreadyOpen(info, found)
  }
}

/** Those that are none of `own`. */
function others(kernel: Kernel, info: UioDeviceInfo, own: ReadonlySet<FileDescriptor>): Other[] {
  const claim = `/memfd:${claimName(info)} (deleted)`
  return descriptors(kernel)
    .filter((fd) => !own.has(fd))
    .map((fd) => ({ fd, link: target(kernel, fd) }))
    .filter(({ link }) => link === info.path || link === claim)
    .map(({ fd, link }) => ({ fd, isClaim: link === claim }))
}

function claimName({ node }: UioDeviceInfo): string {
  return `linux-dma-${node}`
}

/** None where there is no procfs to tell. */
function descriptors(kernel: Kernel): FileDescriptor[] {
  return unlessAbsent(() => kernel.list('/proc/self/fd').map(Number)) ?? []
}

/** One that was closed meanwhile, as that of the directory itself, is nobody's. */
function target(kernel: Kernel, fd: FileDescriptor): string | undefined {
  return unlessAbsent(() => kernel.readLink(`/proc/self/fd/${fd}`))
}

/** What cannot be looked at for another reason may be there. */
function unlessAbsent<Result>(look: () => Result): Result | undefined {
  try {
    return look()
  } catch (error) {
    if (isDmaError(error, 'ENOENT')) return undefined
    throw error
  }
}

function alreadyOpen({ node }: UioDeviceInfo, found: readonly Other[]): DmaError {
  const opened = found.find(({ isClaim }) => !isClaim)
  const message = opened
    ? `this process has ${node} open already, as descriptor ${opened.fd}`
    : `this process opens ${node} at this moment, on another thread or through another kernel object`
  return new DmaError('DMA_ALREADY_OPEN', message, {
    hint: 'when that is closed, bus mastering goes off for all: close it first, or open the device through the same kernel object on the same thread, where it is shared',
  })
}
