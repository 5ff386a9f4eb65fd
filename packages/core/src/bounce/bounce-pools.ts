import type { DmaDevice } from '../device/dma-device'
import type { DmaOps } from '../device/dma-ops'
import { type DmaAddress, toNumber } from '../vocabulary/address'
import type { TransferDirection } from '../vocabulary/direction'
import { notMapped } from './bounce-errors'
import { BouncePool } from './bounce-pool'
import type { Bouncer } from './bouncer'

/** When a path bounces, and with how much memory for each device. */
export interface BounceRules {
  readonly byteLength: number
  readonly force: boolean
  readonly untrusted: boolean
}

/** The pools of one DMA path: one for each device, so that none sees the bytes of another. */
export class BouncePools implements Bouncer {
  readonly #inner: DmaOps
  readonly #rules: BounceRules
  readonly #pools = new WeakMap<DmaDevice, BouncePool>()
  /** The pool that was asked for last: mostly there is one, and a WeakMap takes some time. */
  #last: BouncePool | undefined
  /** A pool's own memory is being mapped, by way of the path that this belongs to. */
  #making = false

  constructor(inner: DmaOps, rules: BounceRules) {
    this.#inner = inner
    this.#rules = rules
  }

  needed(
    device: DmaDevice,
    address: DmaAddress | undefined,
    byteOffset: number,
    byteLength: number,
  ): boolean {
    if (this.#rules.force) return true
    if (address === undefined) {
      const { pageSize } = device.kernel
      return this.#rules.untrusted && (byteOffset % pageSize !== 0 || byteLength % pageSize !== 0)
    }
    const first = toNumber(address)
    const last = first + byteLength - 1
    const { segmentBoundary } = device.parameters
    if (segmentBoundary !== Number.MAX_SAFE_INTEGER) {
      const period = segmentBoundary + 1
      if (Math.floor(first / period) !== Math.floor(last / period)) return true
    }
    // An IOMMU brings everything below the mask.
    return this.#inner.iommu === undefined && last > Number(device.dmaMask)
  }

  /** Makes the pool before something that may bounce later, so that it is closed after that. */
  prepare(device: DmaDevice): void {
    const mayBounce = this.#rules.force || device.parameters.segmentBoundary !== Number.MAX_SAFE_INTEGER
    if (mayBounce && !this.#making) this.make(device)
  }

  map(device: DmaDevice, bytes: Uint8Array, direction: TransferDirection): DmaAddress {
    return (this.poolOf(device) ?? this.make(device)).map(bytes, direction)
  }

  unmap(device: DmaDevice, address: DmaAddress, skipCopy: boolean): void {
    this.poolWith(device, address).unmap(address, skipCopy)
  }

  owns(device: DmaDevice, address: DmaAddress): boolean {
    return this.poolOf(device)?.owns(address) === true
  }

  syncForCpu(device: DmaDevice, address: DmaAddress, byteLength: number): void {
    this.poolWith(device, address).syncForCpu(address, byteLength)
  }

  syncForDevice(device: DmaDevice, address: DmaAddress, byteLength: number): void {
    this.poolWith(device, address).syncForDevice(address, byteLength)
  }

  closeIdle(device: DmaDevice): void {
    const pool = this.poolOf(device)
    if (pool === undefined || !pool.idle) return
    this.#pools.delete(device)
    this.#last = undefined
    pool.close()
  }

  /** The pool that a device has by now. */
  poolOf(device: DmaDevice): BouncePool | undefined {
    const last = this.#last
    if (last !== undefined && last.device === device) return last
    this.#last = this.#pools.get(device)
    return this.#last
  }

  private make(device: DmaDevice): BouncePool {
    const made = this.#pools.get(device)
    if (made) return made
    this.#making = true
    try {
      const pool = new BouncePool(device, this.#inner, this.#rules.byteLength)
      this.#pools.set(device, pool)
      return pool
    } finally {
      this.#making = false
    }
  }

  private poolWith(device: DmaDevice, address: DmaAddress): BouncePool {
    const pool = this.poolOf(device)
    if (pool) return pool
    throw notMapped(device, address)
  }
}
