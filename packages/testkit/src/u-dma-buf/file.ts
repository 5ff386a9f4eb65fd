import type { DmaBufParts } from '../dma-buf/dma-buf-parts'
import { fail } from '../errors'
import { type FileAccess, type MapRequest, OpenFile } from '../kernel/open-file'
import type { UserMemory } from '../kernel/user-memory'
import { type MemoryRange, wholePages } from '../memory/storage'
import {
  DRIVER_FLAGS,
  EXPORT,
  GET_DEV_INFO,
  GET_DMA_ADDR,
  GET_DRV_INFO,
  GET_SIZE,
  GET_SYNC,
  GET_SYNC_OWNER,
  MMAP_AUTO,
  SET_SYNC,
  SET_SYNC_FOR_CPU,
  SET_SYNC_FOR_DEVICE,
} from './abi'
import type { UDmaBuffer } from './buffer'
import { exportDmaBuf, isUncached } from './exported'

/** The node of a u-dma-buf, opened. It takes the same requests however it was opened. */
export class UDmaBufFile extends OpenFile {
  readonly #buffer: UDmaBuffer
  readonly #parts: DmaBufParts
  readonly #requests: ReadonlyMap<number, (argument: UserMemory) => void>

  constructor(buffer: UDmaBuffer, access: FileAccess, parts: DmaBufParts) {
    super(`/dev/${buffer.options.name}`, access)
    this.#buffer = buffer
    this.#parts = parts
    this.#requests = requestsOf(buffer, parts)
    buffer.openFiles++
  }

  override reopen(access: FileAccess): OpenFile {
    this.#assertThere()
    return new UDmaBufFile(this.#buffer, access, this.#parts)
  }

  override readAt(bytes: Uint8Array, position: number): number {
    const part = this.#part(bytes, position)
    if (part.byteLength > 0) part.set(this.#storage(position, part.byteLength))
    return part.byteLength
  }

  override writeAt(bytes: Uint8Array, position: number): number {
    const part = this.#part(bytes, position)
    if (part.byteLength > 0) this.#storage(position, part.byteLength).set(part)
    return part.byteLength
  }

  override mapMemory({ byteLength, position }: MapRequest): MemoryRange {
    this.#assertThere()
    const buffer = this.#buffer
    if (position + wholePages(byteLength) > buffer.allocated) {
      fail('EINVAL', `the buffer has ${buffer.allocated} bytes in whole pages`)
    }
    const { device, cached } = buffer.memory
    const storage = isUncached(buffer, this.synchronous) ? device : cached
    return { storage, byteOffset: position, byteLength, pinnable: false, file: this }
  }

  override ioctl(request: number, argument: UserMemory): number {
    this.#assertThere()
    const { ioctlVersion } = this.#buffer.options
    const answer = ioctlVersion === 0 ? undefined : this.#requests.get(request)
    if (answer === undefined || (ioctlVersion === 1 && request === EXPORT)) return fail('ENOTTY')
    answer(argument)
    return 0
  }

  protected override onRelease(): void {
    this.#buffer.openFiles--
  }

  /** As much of the caller's bytes as the buffer has from there on: none behind its end. */
  #part(bytes: Uint8Array, position: number): Uint8Array {
    this.#assertThere()
    return bytes.subarray(0, Math.max(0, this.#buffer.options.size - position))
  }

  /** What the driver itself sees: never through the caches. */
  #storage(position: number, byteLength: number): Uint8Array {
    return this.#buffer.memory.device.bytes(position, byteLength)
  }

  /** On Linux the driver goes on with memory of its own that it has freed, which can end in anything. */
  #assertThere(): void {
    if (this.#buffer.freed) {
      fail(
        'ENODEV',
        'the driver was unbound: on Linux the kernel would use memory that it has freed, and may crash',
      )
    }
  }
}

function requestsOf(
  buffer: UDmaBuffer,
  parts: DmaBufParts,
): ReadonlyMap<number, (argument: UserMemory) => void> {
  const { sync, options, dmaAddress } = buffer
  return new Map<number, (argument: UserMemory) => void>([
    [GET_DRV_INFO, (argument) => driverInfo(buffer, argument.view(24))],
    [GET_SIZE, (argument) => argument.view(8).setBigUint64(0, BigInt(options.size), true)],
    [GET_DMA_ADDR, (argument) => argument.view(8).setBigUint64(0, dmaAddress, true)],
    [GET_SYNC_OWNER, (argument) => argument.view(4).setUint32(0, sync.owner === 'device' ? 1 : 0, true)],
    [SET_SYNC_FOR_CPU, (argument) => sync.syncForCpu(argument.view(8).getBigUint64(0, true))],
    [SET_SYNC_FOR_DEVICE, (argument) => sync.syncForDevice(argument.view(8).getBigUint64(0, true))],
    [GET_DEV_INFO, (argument) => deviceInfo(buffer, argument.view(24))],
    [GET_SYNC, (argument) => sync.get(argument.view(24))],
    [SET_SYNC, (argument) => sync.set(argument.view(24))],
    [EXPORT, (argument) => exportDmaBuf(buffer, argument.view(40), parts)],
  ])
}

function driverInfo({ options: { ioctlVersion, driverVersion } }: UDmaBuffer, view: DataView): void {
  view.setBigUint64(0, BigInt(DRIVER_FLAGS | ioctlVersion), true)
  const version = new Uint8Array(16)
  version.set(new TextEncoder().encode(driverVersion))
  new Uint8Array(view.buffer, view.byteOffset + 8, 16).set(version)
}

function deviceInfo({ options, dmaAddress }: UDmaBuffer, view: DataView): void {
  const { dmaMaskBits, dmaCoherent, size } = options
  view.setBigUint64(0, BigInt(dmaMaskBits | (dmaCoherent ? 1 << 9 : 0) | (MMAP_AUTO << 10)), true)
  view.setBigUint64(8, BigInt(size), true)
  view.setBigUint64(16, dmaAddress, true)
}
