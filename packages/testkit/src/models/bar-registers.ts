import type { PhysicalRange } from '../fs/iomem'
import type { Bar } from '../pci/config-space'
import type { RegisterBlock } from '../registers/register-block'
import type { AttachedModel } from './attached-model'
import type { AccessWidth } from './device-model'

/** A BAR of a device: a class of its own, since what each access goes through has to be quick. */
export class BarRegisters implements RegisterBlock {
  readonly #device: AttachedModel
  readonly #bar: Bar
  readonly #index: number

  constructor(device: AttachedModel, bar: Bar) {
    this.#device = device
    this.#bar = bar
    this.#index = bar.index
  }

  get name(): string {
    return `BAR ${this.#index} of ${this.#device.address}`
  }

  get decodes(): boolean {
    return this.#device.decodes(this.#bar)
  }

  read(byteOffset: number, width: AccessWidth): number | bigint {
    return this.#device.readRegister(this.#index, byteOffset, width)
  }

  write(byteOffset: number, width: AccessWidth, value: number | bigint): void {
    this.#device.writeRegister(this.#index, byteOffset, width, value)
  }

  access(byteOffset: number, bytes: Uint8Array, direction: 'read' | 'write'): void {
    this.#device.accessAsPeer(this.#bar, byteOffset, bytes, direction)
  }
}

/** What a bus reads where nobody answers. */
export function allOnes(width: AccessWidth): number | bigint {
  return width === 64 ? 0xffff_ffff_ffff_ffffn : 2 ** width - 1
}

/** The physical addresses of a device's registers. */
export function rangesOf({ address: name, bars }: AttachedModel): PhysicalRange[] {
  return bars
    .filter(({ kind }) => kind === 'memory')
    .map(({ address: start, byteLength }) => ({ start, byteLength, name }))
}
