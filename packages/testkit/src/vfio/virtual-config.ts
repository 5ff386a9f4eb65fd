import type { PciFunction } from '../pci/function'

/** PCI_CAP_ID_MSI */
const msiCapability = 0x05
const capabilitiesPointer = 0x34
const control = 2
/** The low byte of the control word: in the high one there is nothing. */
const enableBit = 0x01
const queueSize = 0x70
const is64Bit = 0x80

/**
 * Configuration space as vfio-pci shows it (drivers/vfio/pci/vfio_pci_config.c): of MSI, a copy of the program's own. Whether
 * messages are on, which SET_IRQS decides, is not seen there; that they are not, while they are, is passed on.
 */
export class VirtualConfig {
  readonly #device: PciFunction
  /** Where the capability begins: 0 for none. */
  readonly #start: number
  /** From the control byte up to the end of the message. */
  readonly #bytes: Uint8Array
  readonly #mostVectors: number

  /** As it is when the first program opens the device. */
  constructor(device: PciFunction) {
    this.#device = device
    const config = device.config.save()
    this.#start = findCapability(config)
    const own = config[this.#start + control] ?? 0
    const end = (own & is64Bit) !== 0 ? 14 : 10
    this.#bytes = this.#start === 0 ? new Uint8Array() : config.slice(this.#start, this.#start + end)
    this.#mostVectors = (own & 0x0e) << 3
  }

  read(byteOffset: number, bytes: Uint8Array): void {
    this.#device.readConfig(byteOffset, bytes)
    if (this.#device.absent) return
    this.#forEach(byteOffset, bytes.byteLength, (index, own) => {
      bytes[index] = this.#bytes[own]!
    })
  }

  /** `messages`: whether MSI is what SET_IRQS has turned on. */
  write(byteOffset: number, bytes: Uint8Array, messages: boolean): void {
    this.#device.writeConfig(byteOffset, bytes)
    this.#forEach(byteOffset, bytes.byteLength, (index, own) => {
      this.#bytes[own] = bytes[index]!
    })
    const reaches = byteOffset <= this.#start + control && byteOffset + bytes.byteLength > this.#start
    if (this.#start !== 0 && reaches && !this.#device.absent) this.#settle(messages)
  }

  /** What the program wrote into the control byte is made into what can be, and told to the device. */
  #settle(messages: boolean): void {
    let own = this.#bytes[control]!
    if (!messages) own &= ~enableBit
    if ((own & queueSize) > this.#mostVectors) own = (own & ~queueSize) | this.#mostVectors
    this.#bytes[control] = own
    this.#device.config.setMessagesEnabled('msi', (own & enableBit) !== 0)
  }

  /** The bytes of a range that are the program's own: all of the capability but its head and the high control byte. */
  #forEach(byteOffset: number, byteLength: number, visit: (index: number, own: number) => void): void {
    const first = Math.max(byteOffset, this.#start + control)
    const end = Math.min(byteOffset + byteLength, this.#start + this.#bytes.length)
    for (let at = first; at < end; at++) {
      if (at !== this.#start + control + 1) visit(at - byteOffset, at - this.#start)
    }
  }
}

function findCapability(config: Uint8Array): number {
  let at = config[capabilitiesPointer]!
  while (at !== 0 && config[at] !== msiCapability) at = config[at + 1]!
  return at
}
