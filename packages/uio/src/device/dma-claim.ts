import { DmaError } from '@linux-dma/core'

/**
 * Which of those who have a device open may do DMA with it: one at a time, since any of them that closes has to turn bus
 * mastering off. The first that asks, by setMaster() or by its first mapping.
 */
export class DmaClaim {
  readonly #node: string
  readonly #isPci: boolean
  readonly #listeners = new Set<() => void>()
  #owner: object | undefined
  #busMaster: boolean
  #lost = false

  constructor(node: string, isPci: boolean, busMaster: boolean) {
    this.#node = node
    this.#isPci = isPci
    this.#busMaster = busMaster
  }

  /** Whether the device may start transfers: always, where nothing could hold them back. */
  get busMaster(): boolean {
    return !this.#lost && (!this.#isPci || this.#busMaster)
  }

  /** Whether `user` has DMA, or nobody. */
  isFreeFor(user: object): boolean {
    return this.#owner === undefined || this.#owner === user
  }

  /** Whether `user` could be given a DMA address now. */
  readyFor(user: object): boolean {
    return this.busMaster && this.isFreeFor(user)
  }

  /** @throws DMA_IN_USE while another one has it */
  take(user: object): void {
    if (!this.isFreeFor(user)) throw this.inUse()
    if (this.#owner === user) return
    this.#owner = user
    this.#tell()
  }

  giveBack(user: object): void {
    if (this.#owner !== user) return
    this.#owner = undefined
    this.#tell()
  }

  /** Bus mastering is, or may be, as it is said here. */
  setBusMaster(on: boolean): void {
    this.#busMaster = on
    this.#tell()
  }

  /** The device is gone, and DMA with it. */
  lose(): void {
    this.#lost = true
    this.#tell()
  }

  /** Calls back where it may have changed who is ready. @returns what ends that */
  onChange(callback: () => void): () => void {
    this.#listeners.add(callback)
    return () => this.#listeners.delete(callback)
  }

  inUse(): DmaError {
    return new DmaError(
      'DMA_IN_USE',
      `${this.#node} is opened more than once, and another one does DMA with it`,
      {
        hint: 'close that one first, or share it: when it closes, bus mastering is turned off for all',
      },
    )
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
