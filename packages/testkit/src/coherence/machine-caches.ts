import type { DmaCaches, DmaCheckerView, DmaError } from '@linux-dma/native'
import { callSite } from '@linux-dma/native'
import { invalidArgument } from '../errors'
import type { DmaPath, DmaSegment } from '../iommu/dma-path'
import type { Storage } from '../memory/storage'
import type { Random } from '../prng'
import { DmaDirection } from '../u-dma-buf/direction'
import { CacheReports } from './cache-reports'
import type { DeviceWrite } from './unseen-writes'
import { type CacheParts, type DeviceAccess, WriteBackCache } from './write-back-cache'

/** What a device wrote and the CPU has not been shown: see `machine.stale()`. */
export interface StaleBytes {
  /** Offset of the first byte in the view that was asked about, else in its memory. */
  readonly byteOffset: number
  readonly byteLength: number
  /** PCI address of the device, or name of the platform device. */
  readonly device: string
  /** Where the device found the first byte. */
  readonly address: number
  /** Virtual milliseconds. */
  readonly time: number
  /** The memory was closed before anybody looked; absent while it is there. */
  readonly closed?: true
}

/** What is kept of each kind of bytes that nobody can be shown any more. */
const MOST_KEPT = 1000

/** What runs at the end of a scope, in a stack: some engines say `Symbol`, Node.js 20 says `nodejs`. */
const atScopeEnd = /\[\w+\.(?:d|asyncD)ispose\]/
/** Functions of a program that end a driver, by what they are called. */
const atDriverEnd =
  /^at (?:async )?(?:[\w$<>#]+\.)*#?(?:close|dispose|destroy|stop|shutdown|teardown|disconnect)\w* /im
/** Frames of the program that are looked at. */
const FRAMES = 4

/** What the caches need of their machine. */
export interface MachineCachesParts {
  readonly lineSize: number
  readonly clock: { now(): number }
  /** Of their own, so that a machine does the same with them and without them. */
  readonly random: Random
  /** The way of a device that is on no bus of the machine's. */
  readonly physicalPath: DmaPath
  readonly checker: () => DmaCheckerView | undefined
  /** Told of what goes wrong: a device's access has no caller that an error could be thrown at. */
  readonly onReport: (makeReport: () => DmaError) => void
}

/** The caches of a machine whose devices do not look into them: over the memory that its programs have. */
export class MachineCaches implements DmaCaches {
  readonly #parts: MachineCachesParts
  readonly #caches = new Set<WriteBackCache>()
  /** What lies between a device and memory now, by the device's name. */
  readonly #paths = new Map<string, () => DmaPath>()
  readonly #reports: CacheReports
  /** Of memory that is closed. */
  readonly #gone: StaleBytes[] = []
  /** Shown when the scope of its mapping ended. */
  readonly #late: StaleBytes[] = []

  constructor(parts: MachineCachesParts) {
    this.#parts = parts
    this.#reports = new CacheReports(parts.checker)
  }

  /** A device is plugged in. It is known from then on: a driver ends its mappings also after it was pulled out. */
  join(device: string, path: () => DmaPath): void {
    this.#paths.set(device, path)
  }

  /** Memory that programs map, as any memory, by way of the cache. */
  cover(storage: Storage): void {
    const { lineSize, random, onReport } = this.#parts
    const parts: CacheParts = {
      lineSize,
      evicts: () => random.integer(2) === 0,
      onStaleRead: (start, end, access) => onReport(() => this.#reports.staleRead(end - start, access)),
      onLostWrite: (write) => onReport(() => this.#reports.lostWrite(write)),
      onClose: (cache) => {
        for (const write of cache.unseen.within(0, storage.capacity)) {
          keep(this.#gone, { ...staleBytes(write), closed: true })
        }
        this.#caches.delete(cache)
        storage.cache = undefined
      },
    }
    storage.cache = new WriteBackCache(storage, parts)
    this.#caches.add(storage.cache)
  }

  syncForDevice(device: string, address: number, byteLength: number): void {
    this.#each(device, address, byteLength, (cache, start, end) => cache.clean(start, end))
  }

  syncForCpu(device: string, address: number, byteLength: number, direction: number): void {
    if (direction === DmaDirection.ToDevice) return
    this.#each(device, address, byteLength, (cache, start, end, from) => {
      this.#noteLate(cache.unseen.within(start, end))
      cache.invalidate(start, end, (first, last) => {
        const discarded = { device, address: from + first - start, time: this.#parts.clock.now() }
        this.#parts.onReport(() => this.#reports.discardedWrite(last - first, discarded))
      })
      // What shows this memory in another place shows what it has now.
      cache.storage.settle()
    })
  }

  bypass(device: string, address: number, byteLength: number): void {
    this.#each(device, address, byteLength, (cache) => {
      // What is there from now on is seen as it is.
      cache.unseen.remove(0, cache.storage.capacity)
      cache.close()
    })
  }

  /** A device has moved bytes to or from memory. */
  accessed(
    device: string,
    address: number,
    { storage, byteOffset, byteLength }: DmaSegment,
    direction: 'read' | 'write',
  ): void {
    const cache = storage?.cache
    if (cache === undefined) return
    const access: DeviceAccess = { device, address, time: this.#parts.clock.now() }
    if (direction === 'read') cache.deviceRead(byteOffset!, byteOffset! + byteLength, access)
    else cache.deviceWrote(byteOffset!, byteOffset! + byteLength, access)
  }

  /** See `machine.stale()`. */
  stale(view?: ArrayBufferView): StaleBytes[] {
    const there = this.#unseenOf(view).map(([offset, write]) => staleBytes(write, offset))
    return view === undefined ? [...this.#gone, ...there] : there
  }

  /**
   * What a test cannot have seen: what is stale, and what was shown by an unmap only when the scope of its mapping, or its driver,
   * ended. An unmap at another place may well come before the CPU looks.
   */
  unshown(): StaleBytes[] {
    return [...this.stale(), ...this.#late]
  }

  /** @throws `DMA_STALE` */
  assertNotStale(view: ArrayBufferView): void {
    const [first] = this.#unseenOf(view)
    if (first === undefined) return
    const [offset, write] = first
    throw this.#reports.staleBytes(write.start - offset, write)
  }

  #noteLate(writes: readonly DeviceWrite[]): void {
    if (writes.length === 0) return
    // A stack has ten frames: those of this file are left out of them.
    const here: { stack?: string } = {}
    Error.captureStackTrace(here, this.syncForCpu)
    if (!atScopeEnd.test(here.stack ?? '') && !atDriverEnd.test(callSite(FRAMES))) return
    for (const write of writes) keep(this.#late, staleBytes(write))
  }

  #unseenOf(view: ArrayBufferView | undefined): [offset: number, write: DeviceWrite][] {
    const found: [number, DeviceWrite][] = []
    for (const { storage, unseen } of this.#caches) {
      if (view === undefined) {
        for (const write of unseen.within(0, storage.capacity)) found.push([0, write])
      } else if (storage.isShownBy(view)) {
        const { byteOffset, byteLength } = view
        for (const write of unseen.within(byteOffset, byteOffset + byteLength))
          found.push([byteOffset, write])
      }
    }
    return found
  }

  /** Every cache that a device's range goes by, with its part of that. */
  #each(
    device: string,
    address: number,
    byteLength: number,
    visit: (cache: WriteBackCache, start: number, end: number, address: number) => void,
  ): void {
    const path = this.#paths.get(device)?.() ?? this.#parts.physicalPath
    for (let done = 0; done < byteLength; ) {
      const segment = memoryAt(path, address + done, byteLength - done)
      const { cache } = segment.storage ?? {}
      const { byteOffset: start, byteLength: length } = segment
      if (cache !== undefined) visit(cache, start!, start! + length, address + done)
      done += segment.byteLength
    }
  }
}

function staleBytes({ start, end, device, address, time }: DeviceWrite, offset = 0): StaleBytes {
  return { byteOffset: start - offset, byteLength: end - start, device, address, time }
}

/** The last ones are those that a failure is about. */
function keep(list: StaleBytes[], one: StaleBytes): void {
  if (list.push(one) > MOST_KEPT) list.shift()
}

/** What is there, whichever way the device may move bytes. */
function memoryAt(path: DmaPath, address: number, byteLength: number): DmaSegment {
  const segment = path.translate(address, byteLength, 'read')
  return segment.storage === undefined ? path.translate(address, byteLength, 'write') : segment
}

/** What `machine.stale()` and its like are asked about. @throws `DMA_INVALID_ARGUMENT` */
export function checkView(bytes: unknown): ArrayBufferView {
  return ArrayBuffer.isView(bytes) ? bytes : invalidArgument('what may be stale is a view of memory')
}
