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
export function sync(kernel: Kernel, fd: FileDescriptor, argument: Uint8Array): void {
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

/**
 * Runs `use` between start and end, also where it throws, and where it answers with a promise until that is settled. A
 * buffer that is closed within has no end to be told of.
 */
export function bracket<Result>(
  buffer: { readonly closed: boolean },
  tell: (argument: Uint8Array) => void,
  use: () => Result,
): Result {
  const end = () => {
    if (!buffer.closed) tell(SYNC_END)
  }
  tell(SYNC_START)
  let result: Result
  try {
    result = use()
  } catch (error) {
    quietly(end)
    throw error
  }
  if (isPromise(result)) return endAfter(result, end) as Result
  end()
  return result
}

async function endAfter<Value>(result: PromiseLike<Value>, end: () => void): Promise<Value> {
  let value: Value
  try {
    value = await result
  } catch (error) {
    quietly(end)
    throw error
  }
  end()
  return value
}

/** For when there is an error already that says more. */
function quietly(step: () => void): void {
  try {
    step()
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
