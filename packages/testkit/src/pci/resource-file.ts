import type { RegisterWindow } from '@linux-dma/native'
import { fail } from '../errors'
import { type FileAccess, type MapRequest, OpenFile } from '../kernel/open-file'
import type { MappingOwner } from '../memory/mapping'
import { wholePages } from '../memory/storage'
import type { PciFunction } from './function'
import { FakeRegisterWindow } from './register-window'

/** `resourceN` of a device in sysfs, opened: a BAR that can be mapped without any driver. */
export class ResourceFile extends OpenFile {
  readonly #device: PciFunction
  readonly #bar: number
  readonly #owner: Pick<MappingOwner, 'open' | 'addressSpace'>

  constructor(
    path: string,
    access: FileAccess,
    device: PciFunction,
    bar: number,
    owner: Pick<MappingOwner, 'open' | 'addressSpace'>,
  ) {
    super(path, access)
    this.#device = device
    this.#bar = bar
    this.#owner = owner
  }

  override mapRegisters({ byteLength, position, access }: MapRequest): RegisterWindow {
    const end = this.#device.bar(this.#bar)?.byteLength ?? 0
    if (position + wholePages(byteLength) > end) fail('EINVAL', `BAR ${this.#bar} has ${end} bytes`)
    const { open, addressSpace } = this.#owner
    const place = {
      pci: this.#device,
      bar: this.#bar,
      byteOffset: position,
      byteLength,
      writable: access === 'read-write',
    }
    const window = new FakeRegisterWindow(place, this, addressSpace, (closed) => open.delete(closed))
    open.add(window)
    return window
  }
}
