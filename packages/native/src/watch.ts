import { type Addon, DESCRIPTOR_CLOSED, type WatchHandle } from './addon'
import { POLLIN, POLLOUT, POLLPRI } from './constants'
import { DmaError } from './errors'
import type { Watch, WatchListener } from './kernel'
import { systemError, toDmaError } from './system-error'
import { checkInteger, checkOptions, checkSignal, invalidArgument } from './validate'

const ALL_EVENTS = 0x7fff
/** The events that can be waited for; the error bits come by themselves. */
const AWAITED_EVENTS = POLLIN | POLLPRI | POLLOUT

/** What {@link Kernel.watch} does. */
export function startWatch(addon: Addon, fd: number, byteLength: 4 | 8, listener: WatchListener): Watch {
  if (byteLength !== 4 && byteLength !== 8) throw invalidArgument('byteLength', byteLength, '4 or 8')
  if (typeof listener?.onCount !== 'function' || typeof listener.onError !== 'function') {
    throw invalidArgument('listener', listener, 'an object with the methods onCount and onError')
  }
  const handle = startNative(addon, fd, byteLength, POLLIN, (count, error) => {
    if (error === 0) listener.onCount(count)
    else listener.onError(watchError(fd, error, 'read'))
  })
  return new LinuxWatch(addon, handle)
}

class LinuxWatch implements Watch {
  readonly #addon: Addon
  readonly #handle: WatchHandle

  constructor(addon: Addon, handle: WatchHandle) {
    this.#addon = addon
    this.#handle = handle
  }

  close(): void {
    this.#addon.closeWatch(this.#handle)
  }

  unref(): void {
    this.#addon.referWatch(this.#handle, false)
  }

  ref(): void {
    this.#addon.referWatch(this.#handle, true)
  }
}

/** What {@link Kernel.poll} does. */
export async function pollOnce(
  addon: Addon,
  fd: number,
  events: number,
  options?: { signal?: AbortSignal },
): Promise<number> {
  checkInteger('events', events, 1, ALL_EVENTS)
  if ((events & AWAITED_EVENTS) === 0)
    throw invalidArgument('events', events, 'POLLIN, POLLPRI, POLLOUT or several of them')
  const signal = checkSignal(checkOptions('poll', options, ['signal']).signal)
  if (signal?.aborted) throw signal.reason
  // Most often there is something already; and a regular file, always ready, is none that epoll takes.
  const ready = readyNow(addon, fd, events)
  return ready === 0 ? untilReady(addon, fd, events, signal) : ready
}

function readyNow(addon: Addon, fd: number, events: number): number {
  try {
    return addon.readyEvents(fd, events)
  } catch (error) {
    throw toDmaError(error)
  }
}

function untilReady(
  addon: Addon,
  fd: number,
  events: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      addon.closeWatch(handle)
      reject(signal?.reason)
    }
    const handle = startNative(addon, fd, 0, events, (revents, error) => {
      signal?.removeEventListener('abort', onAbort)
      if (error === 0) resolve(revents)
      else reject(watchError(fd, error, 'poll'))
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

function startNative(
  addon: Addon,
  fd: number,
  byteLength: 0 | 4 | 8,
  events: number,
  callback: (count: number, error: number) => void,
): WatchHandle {
  try {
    return addon.watch(fd, byteLength, events, callback)
  } catch (thrown) {
    const error = toDmaError(thrown, {
      hint: (code) => (code === 'EPERM' ? 'a regular file never waits: read it' : undefined),
    })
    // libuv's word for a second handle on one descriptor.
    if (!(error instanceof DmaError) || error.code !== 'EEXIST') throw error
    throw new DmaError('EBUSY', `descriptor ${fd} is being watched or polled already, ${error.syscall}`, {
      errno: -16,
      syscall: error.syscall!,
      hint: 'close the other watch, or wait for the other poll, first: there is one for each descriptor',
    })
  }
}

function watchError(fd: number, error: number, syscall: string): DmaError {
  if (error !== DESCRIPTOR_CLOSED) return systemError(error, { syscall })
  return new DmaError('DMA_CLOSED', `descriptor ${fd} was closed while something waited for it`, {
    hint: 'close the watch, or abort the poll, before the descriptor',
  })
}
