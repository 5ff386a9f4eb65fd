import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { unavailable } from './addon-unavailable'

declare const handle: unique symbol
/** A native mapping. Type-tagged: the addon refuses every other object. */
export type MappingHandle = { readonly [handle]: 'mapping' }
/** A native watch. */
export type WatchHandle = { readonly [handle]: 'watch' }
/**
 * Told of a count (of poll bits, where the watch is a poll) with `error` 0; of a negative errno; or of
 * {@link DESCRIPTOR_CLOSED}.
 */
export type WatchCallback = (count: number, error: number) => void

/** What a watch's callback gets as its error when the descriptor was closed under it. */
export const DESCRIPTOR_CLOSED = 1

/** Native accesses to the registers of one mapping, which they keep alive. */
export interface RegisterAccess {
  read(byteOffset: number, bits: number): number
  write(byteOffset: number, bits: number, value: number): void
  read64(byteOffset: number): bigint
  write64(byteOffset: number, low: number, high: number): void
}

/** The raw functions of the compiled addon. They throw errors with `errno` and `syscall`, see `system-error.ts`. */
export interface Addon {
  readonly pageSize: number
  open(path: string, flags: number): number
  close(fd: number): void
  /** Counts a descriptor that an ioctl answered with as this thread's own. */
  adopt(fd: number): number
  /** `position` is -1 for none. */
  read(fd: number, bytes: Uint8Array, position: number): number
  write(fd: number, bytes: Uint8Array, position: number): number
  ioctl(fd: number, request: number, argument: Uint8Array | number): number
  eventfd(initialCount: number): number
  memfd(name: string, byteLength: number, hugePageShift: number): number
  duplicate(fd: number): number
  pidfdOpen(pid: number): number
  pidfdGetfd(pidfd: number, fd: number): number
  addSeals(fd: number, seals: number): void
  getSeals(fd: number): number
  readyEvents(fd: number, events: number): number
  /** The address as in sun_path: a path with its NUL, or an abstract name, which begins with one. */
  listen(address: Uint8Array, seqpacket: boolean, backlog: number): number
  connect(address: Uint8Array, seqpacket: boolean): number
  accept(fd: number): number
  socketPair(): [number, number]
  sendMessage(fd: number, bytes: Uint8Array, descriptors: Int32Array): number
  receiveMessage(fd: number, bytes: Uint8Array): [byteLength: number, descriptors: number[]]
  map(fd: number, byteLength: number, position: number, writable: boolean): MappingHandle
  mappingAddress(mapping: MappingHandle): number
  /** The mapping's one ArrayBuffer: to be called once. */
  viewMapping(mapping: MappingHandle): ArrayBuffer
  closeMapping(mapping: MappingHandle): void
  detachBuffer(buffer: ArrayBuffer): boolean
  lockMapping(mapping: MappingHandle, byteOffset: number, byteLength: number, lock: boolean): void
  /** The descriptor that holds the pages. */
  pinMapping(mapping: MappingHandle, byteOffset: number, byteLength: number): number
  unpin(fd: number): void
  registerAccess(mapping: MappingHandle): RegisterAccess
  /** `byteLength` is that of the counter to read; 0 polls once for `events`. */
  watch(fd: number, byteLength: 0 | 4 | 8, events: number, callback: WatchCallback): WatchHandle
  closeWatch(watch: WatchHandle): void
  referWatch(watch: WatchHandle, referenced: boolean): void
  live(): Record<
    'descriptors' | 'mappings' | 'mappedBytes' | 'watches' | 'parkedMappings' | 'parkedBytes',
    number
  >
  /** Bytes; -1 where there is no limit. */
  lockedMemoryLimit(): number
}

/** The package's folder, from `src/` under a test runner as from `dist/` when installed. */
export const packageRoot = fileURLToPath(new URL('..', import.meta.url))

/**
 * Loads the compiled addon: the local build where there is one, else the prebuilt file for this machine.
 *
 * Nothing of it runs before the first call, so that the package can be imported on every platform.
 * @throws DMA_NATIVE_UNAVAILABLE with what was looked for and what to do
 */
export function loadAddon(root = packageRoot, platform: string = process.platform): Addon {
  let file: string | undefined
  try {
    if (platform !== 'linux') throw new Error(`this is ${platform}, not Linux`)
    const load = createRequire(import.meta.url)
    file = (load('node-gyp-build') as { path(root: string): string }).path(root)
    return load(file) as Addon
  } catch (cause) {
    throw unavailable({ root, platform, file, cause })
  }
}
