import { DmaDirection } from '@linux-dma/core'
import type { FileDescriptor, Kernel } from '@linux-dma/native'
import {
  ADMIN_COMPLETION_QUEUE,
  ADMIN_QUEUE_ATTRIBUTES,
  ADMIN_SUBMISSION_DOORBELL,
  ADMIN_SUBMISSION_QUEUE,
  COMPLETION_BYTES,
  CONFIGURATION,
  ENABLED,
  GET_FEATURES,
  NUMBER_OF_QUEUES,
  READY,
  STATUS,
  SUBMISSION_BYTES,
} from './nvme'

const { ToDevice, FromDevice } = DmaDirection

const ENTRIES = 8
/** Bit 0 of a completion's status is set the first time round. */
const PHASE = 14

/** The admin queue of an NVMe controller that VFIO opened, with its registers by read and write: each command is an interrupt. */
export class NvmeAdminQueue {
  readonly #kernel: Kernel
  readonly #device: FileDescriptor
  readonly #bytes: Uint8Array
  readonly #address: number
  readonly #pageBytes: number
  /** The controller's PCI address, by which caches know it. */
  readonly #name: string
  #submitted = 0

  /** @param queues two pages, the submissions' and the completions', and their address for the device of that name */
  constructor(
    kernel: Kernel,
    device: FileDescriptor,
    queues: { name: string; bytes: Uint8Array; address: number },
  ) {
    this.#kernel = kernel
    this.#device = device
    this.#name = queues.name
    this.#bytes = queues.bytes
    this.#address = queues.address
    this.#pageBytes = kernel.pageSize
    this.#write(CONFIGURATION, 0)
    this.#write(ADMIN_QUEUE_ATTRIBUTES, ((ENTRIES - 1) << 16) | (ENTRIES - 1))
    this.#write(ADMIN_SUBMISSION_QUEUE, queues.address)
    this.#write(ADMIN_SUBMISSION_QUEUE + 4, 0)
    this.#write(ADMIN_COMPLETION_QUEUE, queues.address + this.#pageBytes)
    this.#write(ADMIN_COMPLETION_QUEUE + 4, 0)
    this.#write(CONFIGURATION, ENABLED)
    while ((this.#read(STATUS) & READY) === 0);
  }

  /** Sends a command that does nothing but complete. */
  submit(): void {
    if (this.#submitted === ENTRIES - 1) throw new RangeError('the admin queue is used once round')
    const { buffer, byteOffset } = this.#bytes
    const offset = this.#submitted * SUBMISSION_BYTES
    const command = new DataView(buffer, byteOffset + offset, SUBMISSION_BYTES)
    command.setUint32(0, GET_FEATURES | (this.#submitted << 16), true)
    command.setUint32(40, NUMBER_OF_QUEUES, true)
    this.#kernel.dmaCaches?.syncForDevice(this.#name, this.#address + offset, SUBMISSION_BYTES, ToDevice)
    this.#submitted++
    this.#write(ADMIN_SUBMISSION_DOORBELL, this.#submitted)
  }

  /** Whether the last command was completed. */
  get completed(): boolean {
    const last = this.#pageBytes + (this.#submitted - 1) * COMPLETION_BYTES
    this.#kernel.dmaCaches?.syncForCpu(this.#name, this.#address + last, COMPLETION_BYTES, FromDevice)
    return (this.#bytes[last + PHASE]! & 1) === 1
  }

  #read(byteOffset: number): number {
    const value = new Uint32Array(1)
    this.#kernel.read(this.#device, new Uint8Array(value.buffer), byteOffset)
    return value[0]!
  }

  #write(byteOffset: number, value: number): void {
    this.#kernel.write(this.#device, new Uint8Array(Uint32Array.of(value).buffer), byteOffset)
  }
}
