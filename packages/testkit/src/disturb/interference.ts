import type { AccessWidth } from '../models/device-model'

/** An interrupt on its way from a device. */
export interface InterruptSignal {
  /** 0 for the line. */
  readonly vector: number
  /** How it goes: as a message, or by the line. */
  readonly by: 'message' | 'line'
}

/** A device's access to memory on its way. */
export interface Transfer {
  /** Bus address. */
  readonly address: number | bigint
  /** What is written, or where what is read goes. */
  readonly bytes: Uint8Array
  /** Seen from the device: `write` is device to memory. */
  readonly direction: 'read' | 'write'
}

/** A program's access to a register on its way. */
export interface RegisterPlace {
  readonly bar: number
  /** Bytes from the start of the BAR. */
  readonly byteOffset: number
  /** Bits. */
  readonly width: AccessWidth
}

/**
 * What stands between a device and the machine, and may change what passes. `pass` lets it go on: at once, later, several times
 * or never.
 */
export interface Interference {
  interrupt?(signal: InterruptSignal, pass: () => void): void
  /** Returns what the device is told: whether all bytes went. */
  transfer?(transfer: Transfer, pass: (transfer: Transfer) => boolean): boolean
  load?(place: RegisterPlace, pass: () => number | bigint): number | bigint
  store?(place: RegisterPlace, value: number | bigint, pass: () => void): void
  /** The device was reset: what is held back is forgotten. */
  reset?(): void
}

/** All that stands between one device and its machine: what was set up first is nearest to the device. */
export class Interferences {
  /** Replaced, never changed: what is under way goes on through what was there when it began. */
  #all: readonly Interference[] = []

  get any(): boolean {
    return this.#all.length > 0
  }

  add(one: Interference): void {
    this.#all = [...this.#all, one]
  }

  remove(one: Interference): void {
    this.#all = this.#all.filter((other) => other !== one)
  }

  interrupt(signal: InterruptSignal, deliver: () => void): void {
    const way = this.#all.reduceRight<() => void>(
      (pass, one) => (one.interrupt === undefined ? pass : () => one.interrupt!(signal, pass)),
      deliver,
    )
    way()
  }

  transfer(transfer: Transfer, move: (transfer: Transfer) => boolean): boolean {
    const way = this.#all.reduceRight<(transfer: Transfer) => boolean>(
      (pass, one) => (one.transfer === undefined ? pass : (given) => one.transfer!(given, pass)),
      move,
    )
    return way(transfer)
  }

  load(place: RegisterPlace, answer: () => number | bigint): number | bigint {
    const way = this.#all.reduceRight<() => number | bigint>(
      (pass, one) => (one.load === undefined ? pass : () => one.load!(place, pass)),
      answer,
    )
    return way()
  }

  store(place: RegisterPlace, value: number | bigint, take: () => void): void {
    const way = this.#all.reduceRight<() => void>(
      (pass, one) => (one.store === undefined ? pass : () => one.store!(place, value, pass)),
      take,
    )
    way()
  }

  reset(): void {
    for (const one of this.#all) one.reset?.()
  }
}
