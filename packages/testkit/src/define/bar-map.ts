import type { AccessWidth } from '../models/device-model'
import { placesOf } from './check-places'
import type { BarDescription, WindowDescription } from './description'
import { Register } from './register'

/** Memory on the device, and where a BAR shows it. */
export interface Window {
  readonly description: WindowDescription
  readonly bytes: Uint8Array
}

/** A register, and which of its bytes is meant. */
interface RegisterByte {
  readonly register: Register
  readonly byteOffset: number
}

/** What is where in a BAR. */
export class BarMap {
  readonly registers: Record<string, Register | Register[]> = {}
  readonly windows: Record<string, Window> = {}
  readonly #bytes = new Map<number, RegisterByte>()

  constructor(readonly description: BarDescription) {
    const { registers = {}, windows = {} } = description
    for (const [name, register] of Object.entries(registers)) {
      const made = placesOf(name, register).map(({ name: full, start }) => {
        const one = new Register(full, register, description.endian ?? 'little')
        for (let byteOffset = 0; byteOffset < register.width / 8; byteOffset++) {
          this.#bytes.set(start + byteOffset, { register: one, byteOffset })
        }
        return one
      })
      this.registers[name] = register.count === undefined ? made[0]! : made
    }
    for (const [name, window] of Object.entries(windows)) {
      this.windows[name] = { description: window, bytes: new Uint8Array(window.byteLength) }
    }
  }

  /** The register that has a byte. */
  registerAt(byteOffset: number): RegisterByte | undefined {
    return this.#bytes.get(byteOffset)
  }

  /** The memory that an access lies in as a whole. */
  windowAt(byteOffset: number, width: AccessWidth): Window | undefined {
    return Object.values(this.windows).find(
      ({ description: { offset, byteLength } }) =>
        byteOffset >= offset && byteOffset + width / 8 <= offset + byteLength,
    )
  }

  everyRegister(): Register[] {
    return Object.values(this.registers).flat()
  }
}
