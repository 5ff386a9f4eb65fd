import type { DmaError } from '@linux-dma/core'
import type { Holder } from './holder'
import { takenBy } from './in-use'

/**
 * Which of those who have a device open may do DMA with it: one at a time, since any of them that closes has to turn bus
 * mastering off. The first that asks, by setMaster() or by its first mapping.
 */
export class DmaClaim {
  readonly #node: string
  readonly #isPci: boolean
  readonly #listeners = new Set<() => void>()
  #owner: Holder | undefined
  /** As this process set it, or as it was found where that is to be relied upon. */
  #busMaster: boolean
  /** As this process last set it, or was told. */
  #known: boolean | undefined
  #turnedOn = false
  /** That it was on, and this process turned it off: to turn it on again is not to turn it on. */
  #turnedOff = false
  #lost = false

  /** @param foundOn that bus mastering was found on, by a driver of the kernel whose business it is */
  constructor(node: string, isPci: boolean, foundOn: boolean) {
    this.#node = node
    this.#isPci = isPci
    this.#busMaster = foundOn
  }

  /** Whether the device may start transfers for this process: always, where nothing could hold them back. */
  get busMaster(): boolean {
    return !this.#lost && (!this.#isPci || this.#busMaster)
  }

  /** Whether bus mastering is off as far as this process knows, which need not have set it or looked. */
  get isMasterOff(): boolean {
    return this.#known === false
  }

  /** Whether this process ever turned bus mastering on, which had been off. */
  get turnedOn(): boolean {
    return this.#turnedOn
  }

  /** Whether `user` has DMA, or nobody. */
  isFreeFor(user: Holder): boolean {
    return this.#owner === undefined || this.#owner === user
  }

  /** Whether `user` could be given a DMA address now. */
  readyFor(user: Holder): boolean {
    return this.busMaster && this.isFreeFor(user)
  }

  /** @throws DMA_IN_USE while another one has it */
  take(user: Holder): void {
    const taken = this.whyTaken(user)
    if (taken) throw taken
    if (this.#owner === user) return
    this.#owner = user
    this.#tell()
  }

  giveBack(user: Holder): void {
    if (this.#owner !== user) return
    this.#owner = undefined
    this.#tell()
  }

  /**
   * Bus mastering was set so, or is so.
   * @param before how this process found it when it set it
   */
  setBusMaster(on: boolean, before?: boolean): void {
    this.#busMaster = on
    this.#known = on
    if (before === false && on) this.#turnedOn ||= !this.#turnedOff
    if (before === true && !on) this.#turnedOff = true
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

  /** Why `user` does not have it; undefined where it could. */
  whyTaken(user: Holder): DmaError | undefined {
    if (this.#owner === undefined || this.#owner === user) return undefined
    return takenBy(
      this.#owner,
      'DMA_IN_USE',
      `${this.#node} is opened more than once, and another one does DMA with it`,
      'close that one first, or share it: when it closes, bus mastering is turned off for all',
    )
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
