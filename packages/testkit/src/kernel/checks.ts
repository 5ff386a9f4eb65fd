import type { MemoryMapping, MmapOptions, WatchListener } from '@linux-dma/native'
import { checkBytes, checkInteger, checkOptionNames } from '../arguments'
import { invalidArgument } from '../errors'
import { FakeMapping } from '../memory/mapping'
import { pageSize } from '../memory/storage'
import type { MapRequest } from './open-file'

/** A descriptor's number, open or not. */
export function checkDescriptor(fd: number): void {
  checkInteger(fd, 'fd', 0, 0x7fffffff)
}

/** What `read` and `write` are given. */
export function checkTransfer(fd: number, bytes: Uint8Array, position: number | undefined): void {
  checkDescriptor(fd)
  checkBytes(bytes, 'bytes')
  if (position !== undefined) checkInteger(position, 'position', 0)
}

/** What `ioctl` is given besides the descriptor. A request that encodes a size accesses that many bytes. */
export function checkRequest(request: number, argument: Uint8Array | number | undefined): void {
  checkInteger(request, 'request', 0, 0xffffffff)
  if (typeof argument === 'number') checkInteger(argument, 'argument', 0)
  if (typeof argument === 'number' || argument === undefined) return
  const size = request >>> 30 === 0 ? 0 : (request >>> 16) & 0x3fff
  if (checkBytes(argument, 'argument').byteLength < size) {
    invalidArgument(`argument has ${argument.byteLength} bytes, and the request's number says ${size}`)
  }
}

/** What `watch` is given besides the descriptor. */
export function checkWatch(byteLength: number, listener: WatchListener | undefined): void {
  if (byteLength !== 4 && byteLength !== 8) invalidArgument(`byteLength is ${String(byteLength)}, not 4 or 8`)
  if (typeof listener?.onCount !== 'function' || typeof listener.onError !== 'function') {
    invalidArgument('the listener has no methods onCount and onError')
  }
}

/** Options of `mmap` and `mapRegisters` with the defaults filled in. */
export function mapRequest(fd: number, options: MmapOptions): MapRequest {
  checkDescriptor(fd)
  checkOptionNames(options, ['byteLength', 'position', 'access'], 'mmap')
  const { byteLength, position = 0, access = 'read-write' } = options
  checkInteger(byteLength, 'byteLength', 1)
  checkInteger(position, 'position', 0, Number.MAX_SAFE_INTEGER - byteLength)
  if (position % pageSize !== 0) invalidArgument(`position is ${position}, not a multiple of the page size`)
  if (access !== 'read' && access !== 'read-write') {
    invalidArgument(`access is '${String(access)}', not 'read' or 'read-write'`)
  }
  return { byteLength, position, access }
}

/** The bytes of a message to send, or the room for one to receive. */
export function checkMessage(bytes: Uint8Array): void {
  // A stream of records has no other way to tell an empty one from the end.
  if (checkBytes(bytes, 'bytes').byteLength === 0)
    invalidArgument('bytes is empty: a message has at least one')
}

/** A mapping that a fake kernel made. */
export function ownMapping(mapping: MemoryMapping): FakeMapping {
  if (!(mapping instanceof FakeMapping)) invalidArgument('the mapping is not one of this kernel')
  return mapping
}
