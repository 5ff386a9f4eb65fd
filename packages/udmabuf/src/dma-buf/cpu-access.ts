import { DmaError, explain, isDmaError } from '@linux-dma/core'
import type { FileDescriptor, Kernel } from '@linux-dma/native'
import { ACCESS_BITS, type BufferAccess, DMA_BUF_IOCTL_SYNC, SYNC_END, SYNC_START } from '../abi'
import type { DmaBuf } from './dma-buf'

/** Tells the kernel that the CPU is about to use a buffer: see {@link DmaBuf.beginCpuAccess}. */
export function dmaBufBeginCpuAccess(buffer: DmaBuf, access: BufferAccess): void {
  buffer.beginCpuAccess(access)
}

/** Tells the kernel that the CPU is done with a buffer: see {@link DmaBuf.endCpuAccess}. */
export function dmaBufEndCpuAccess(buffer: DmaBuf, access: BufferAccess): void {
  buffer.endCpuAccess(access)
}

/** DMA_BUF_IOCTL_SYNC, with {@link SYNC_START} or {@link SYNC_END}. */
function sync(kernel: Kernel, fd: FileDescriptor, argument: Uint8Array): void {
  for (;;) {
    try {
      kernel.ioctl(fd, DMA_BUF_IOCTL_SYNC, argument, 'DMA_BUF_IOCTL_SYNC')
      return
    } catch (error) {
      // A wait for a fence that was interrupted: the kernel's documentation says to ask again.
      if (isDmaError(error, 'EINTR') || isDmaError(error, 'EAGAIN')) continue
      throw argument === SYNC_END ? explain(error, { EINVAL: neverBegun }) : error
    }
  }
}

/** The accesses of the CPU to one buffer that have begun and not ended. */
export class CpuAccesses {
  readonly #kernel: Kernel
  readonly #fd: FileDescriptor
  #open = 0
  #closed = false

  constructor(kernel: Kernel, fd: FileDescriptor) {
    this.#kernel = kernel
    this.#fd = fd
  }

  /** Whether the buffer is closed: nothing begins or ends any more. */
  get closed(): boolean {
    return this.#closed
  }

  begin(): void {
    sync(this.#kernel, this.#fd, SYNC_START)
    this.#open++
  }

  end(): void {
    sync(this.#kernel, this.#fd, SYNC_END)
    if (this.#open > 0) this.#open--
  }

  /** For a buffer that is being closed: what was written until now is for others who have it. Never throws. */
  close(): void {
    this.#closed = true
    for (; this.#open > 0; this.#open--) {
      try {
        sync(this.#kernel, this.#fd, SYNC_END)
      } catch {
        // There is nobody to tell who could do anything about it.
      }
    }
  }
}

/**
 * Runs `use` between begin and end, also where it throws, and where it answers with a promise until that is settled. A
 * buffer that is closed within has ended its accesses itself.
 */
export function bracket<Result>(accesses: CpuAccesses, use: () => Result): Result {
  accesses.begin()
  let result: Result
  let later: boolean
  try {
    result = use()
    later = isPromise(result)
  } catch (error) {
    endQuietly(accesses)
    throw error
  }
  if (later) return endAfter(result as PromiseLike<unknown>, accesses) as Result
  if (!accesses.closed) accesses.end()
  return result
}

/** @throws DMA_CLOSED where the buffer was closed before `use` was through: what that wrote afterwards is lost */
async function endAfter<Value>(result: PromiseLike<Value>, accesses: CpuAccesses): Promise<Value> {
  let value: Value
  try {
    value = await result
  } catch (error) {
    endQuietly(accesses)
    throw error
  }
  if (accesses.closed) {
    throw new DmaError('DMA_CLOSED', 'the dma-buf was closed while its bytes were in use', {
      hint: 'await what cpuAccess() returns before close(), or before the end of the block of a using',
    })
  }
  accesses.end()
  return value
}

/** For when there is an error already that says more. */
function endQuietly(accesses: CpuAccesses): void {
  try {
    if (!accesses.closed) accesses.end()
  } catch {
    // The error at hand matters more than this one.
  }
}

/** What a udmabuf means by it: heaps do not mind. */
function neverBegun() {
  return {
    message: 'an access to the dma-buf ends that never began',
    hint: 'beginCpuAccess() first, or cpuAccess(), which does both',
  }
}

/** @throws DMA_INVALID_ARGUMENT for what is no function */
export function assertUse(use: unknown): void {
  if (typeof use === 'function') return
  throw new DmaError('DMA_INVALID_ARGUMENT', `cpuAccess: ${typeof use} is no function`, {
    hint: "cpuAccess('read', (bytes) => …)",
  })
}

/** @throws DMA_INVALID_ARGUMENT for what is no access */
export function assertBufferAccess(access: unknown): asserts access is BufferAccess {
  if (typeof access === 'string' && Object.hasOwn(ACCESS_BITS, access)) return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${String(access)} is no access to a buffer`, {
    hint: "it is 'read', 'write' or 'read-write'",
  })
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
