import { allocateDmaMemory, DmaDirection, dmaMapSingle } from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'

const ID = 0x00
const STATUS = 0x04
const COMMAND = 0x08
const DOORBELL = 0x0c
const ARGUMENT = 0x10
const BUFFER_ADDRESS = 0x30
const BUFFER_LENGTH = 0x38
const CAUSES = 0x40
const CAUSES_ENABLED = 0x44

const FROM_BUFFER = 2
const TO_BUFFER = 3

/** An FPGA with two kilobytes of memory, which it fills from a buffer, or empties into one, on command. */
export class Mailbox {
  #device
  #registers
  #interrupts
  #memory

  /** @param {string} address where it is on the PCI bus @param {import('@linux-dma/vfio').VfioDeviceOptions} [options] */
  constructor(address, options) {
    this.#device = openVfioDevice(address, options)
    try {
      this.#registers = this.#device.bar(0)
      if (this.#registers.read32(ID) !== 0xf96a0001) throw new Error(`there is no mailbox at ${address}`)
      this.#memory = allocateDmaMemory({ byteLength: 4096, kernel: this.#device.kernel })
      this.#device.setMaster()
      this.#interrupts = this.#device.interrupts()
      this.#registers.write32(CAUSES_ENABLED, 1)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Puts bytes into the FPGA's memory. @param {Uint8Array} bytes @param {number} offset */
  async store(bytes, offset) {
    const buffer = this.#memory.bytes.subarray(0, bytes.byteLength)
    buffer.set(bytes)
    await this.#transfer(FROM_BUFFER, buffer, offset, DmaDirection.ToDevice)
  }

  /** Gets bytes out of the FPGA's memory. @param {number} offset @param {number} byteLength @returns {Promise<Uint8Array>} */
  async load(offset, byteLength) {
    const buffer = this.#memory.bytes.subarray(0, byteLength)
    await this.#transfer(TO_BUFFER, buffer, offset, DmaDirection.FromDevice)
    return buffer.slice()
  }

  async #transfer(command, buffer, offset, direction) {
    const mapping = dmaMapSingle(this.#device, buffer, direction)
    try {
      this.#registers.writeAddress(BUFFER_ADDRESS, mapping.dmaAddress)
      this.#registers.write32(BUFFER_LENGTH, buffer.byteLength)
      this.#registers.write32(ARGUMENT, offset)
      this.#registers.write32(COMMAND, command)
      this.#registers.write32(DOORBELL, 1)
      await this.#interrupts.wait({ timeoutMilliseconds: 100 })
      this.#registers.write32(CAUSES, this.#registers.read32(CAUSES))
    } finally {
      mapping.unmap()
    }
    const error = this.#registers.read32(STATUS) >>> 8
    if (error !== 0) throw new Error(`the mailbox says: error ${error}`)
  }

  close() {
    try {
      this.#device.close()
    } finally {
      this.#memory?.close()
    }
  }
}
