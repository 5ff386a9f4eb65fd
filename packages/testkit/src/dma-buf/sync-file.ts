import { O_RDONLY, POLLIN } from '@linux-dma/native'
import { fail } from '../errors'
import { OpenFile } from '../kernel/open-file'
import type { UserMemory } from '../kernel/user-memory'
import { SYNC_IOC_FILE_INFO, SYNC_IOC_MERGE, SYNC_IOC_SET_DEADLINE } from './abi'
import type { DmaBufParts } from './dma-buf-parts'
import type { Fence, PlainFence } from './fence'
import { mergeFences } from './fence-array'

/** Bytes of a name in these structures, with the zero that ends it. */
const nameBytes = 32
const infoBytes = 80

/** A fence as a file that can be waited for and passed on (drivers/dma-buf/sync_file.c). */
export class SyncFile extends OpenFile {
  override readonly seekable = false
  override readonly waitable = true
  readonly fence: Fence
  readonly #parts: DmaBufParts
  /** As bytes: nobody says that they are a text. */
  readonly #name: Uint8Array

  constructor(fence: Fence, parts: DmaBufParts, name: Uint8Array = new Uint8Array()) {
    super('sync_file', 'read')
    this.fence = fence
    this.#parts = parts
    this.#name = name.length > 0 ? name : ownName(fence)
  }

  override get linkText(): string {
    return 'anon_inode:sync_file'
  }

  override get statusFlags(): number {
    return O_RDONLY
  }

  override pollMask(): number {
    this.fence.watch()
    return this.fence.status === 0 ? 0 : POLLIN
  }

  override ioctl(request: number, argument: UserMemory): number {
    switch (request) {
      case SYNC_IOC_MERGE:
        return this.#merge(argument)
      case SYNC_IOC_FILE_INFO:
        return this.#info(argument)
      case SYNC_IOC_SET_DEADLINE:
        return argument.view(16).getBigUint64(8, true) === 0n ? 0 : fail('EINVAL', 'pad is not 0')
      default:
        return fail('ENOTTY')
    }
  }

  #merge(argument: UserMemory): number {
    const { descriptors, clock, dmaBufNumbers } = this.#parts
    descriptors.reserve(1)
    const view = argument.view(48)
    if (view.getUint32(40, true) !== 0 || view.getUint32(44, true) !== 0) {
      fail('EINVAL', 'flags or pad are not 0')
    }
    const other = descriptors.find(view.getInt32(32, true))
    if (!(other instanceof SyncFile)) return fail('ENOENT', 'fd2 is no sync file')
    const fence = mergeFences([this.fence, other.fence], () => ++dmaBufNumbers.fenceContext, clock)
    const name = bytesOf(view, 0, nameBytes)
    const file = new SyncFile(fence, this.#parts, cString(name))
    view.setInt32(36, descriptors.install(file), true)
    return 0
  }

  #info(argument: UserMemory): number {
    const view = argument.view(56)
    const room = view.getUint32(40, true)
    const { parts } = this.fence
    if (view.getUint32(36, true) !== 0 || view.getUint32(44, true) !== 0) {
      fail('EINVAL', 'flags or pad are not 0')
    }
    let { status } = this.fence
    if (room > 0) {
      if (room < parts.length) fail('EINVAL', `there are ${parts.length} fences, and room for ${room}`)
      const byteLength = parts.length * infoBytes
      const infos = this.#parts.addressSpace.bytesAt(view.getBigUint64(48, true), byteLength, true)
      for (const [index, part] of parts.entries()) writeInfo(infos.subarray(index * infoBytes), part)
      status = parts.find((part) => part.status <= 0)?.status ?? 1
    }
    putString(bytesOf(view, 0, nameBytes), this.#name)
    view.setInt32(32, status, true)
    view.setUint32(40, parts.length, true)
    return 0
  }
}

/** struct sync_fence_info */
function writeInfo(info: Uint8Array, fence: PlainFence): void {
  info.fill(0, 0, infoBytes)
  const view = new DataView(info.buffer, info.byteOffset, infoBytes)
  putString(bytesOf(view, 0, nameBytes), new TextEncoder().encode(fence.timeline))
  putString(bytesOf(view, nameBytes, nameBytes), new TextEncoder().encode(fence.driver))
  view.setInt32(64, fence.status, true)
  view.setBigUint64(72, fence.timestamp, true)
}

/** What a sync file is called that nobody gave a name. */
function ownName({ driver, timeline, context, sequence }: Fence): Uint8Array {
  return new TextEncoder().encode(`${driver}-${timeline}${context}-${sequence}`)
}

function bytesOf(view: DataView, byteOffset: number, byteLength: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + byteOffset, byteLength)
}

/** The bytes up to the first zero, or all but the last. */
function cString(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0)
  return bytes.slice(0, end < 0 ? bytes.length - 1 : end)
}

function putString(target: Uint8Array, text: Uint8Array): void {
  const part = text.subarray(0, target.length - 1)
  target.set(part)
  target[part.length] = 0
}
