import type { ScheduledEvent } from '../clock'
import type { DmaEngine } from '../models/device-model'
import type { Random } from '../prng'
import type { DeviceDescription } from './description'
import type { DescriptorRing, RingPlace } from './descriptor-ring'
import type { InterruptCauses, InterruptCausesOptions } from './interrupt-causes'
import type { StructLayout } from './struct-layout'
import type { TransferEngine, TransferEngineOptions } from './transfer-engine'
import type { DeviceRegisters, DeviceWindows, RegisterDescriptions, RegisterValue } from './typed-device'

/** What the behaviour of a defined device works with: the device, from inside. */
export interface DeviceInside<Description extends DeviceDescription = DeviceDescription> {
  readonly registers: DeviceRegisters<Description>
  /** The device's own memory, which a BAR shows. */
  readonly windows: DeviceWindows<Description>
  /** Memory by bus address, at once. */
  readonly dma: DmaEngine
  /** Seeded numbers. Only while plugged in. */
  readonly random: Random
  /** Virtual milliseconds since the machine was made. Only while plugged in. */
  now(): number
  /** Does something later, in virtual milliseconds, unless the device is reset or pulled out before. */
  schedule(milliseconds: number, run: () => void): ScheduledEvent
  /** Makes an engine that copies to and from memory at a rate, one transfer after the other. */
  engine(options: TransferEngineOptions): TransferEngine
  /** Makes a ring of descriptors in memory. */
  ring<Record extends object>(layout: StructLayout<Record>, place: RingPlace): DescriptorRing<Record>
  /** Ties a register of interrupt causes and its mask to the interrupt. */
  causes(options: InterruptCausesOptions): InterruptCauses
  /** Sends the message of a vector, or raises the line where messages are off: for devices without cause registers. */
  raiseInterrupt(vector?: number): void
  /** Drives the line of a device without cause registers. */
  setInterruptLevel(asserted: boolean): void
  /** Adds a line to `machine.log`. */
  log(message: string): void
}

/** Which register was accessed, of an array. */
export interface RegisterRead {
  /** 0 where there is no array. */
  readonly index: number
}

/** Which register was written, and what it was before. */
export interface RegisterWrite<Value> extends RegisterRead {
  /** To undo a write that the device does not take: `registers.length.value = previous`. */
  readonly previous: Value
}

/** What a device does, beside what its description says. */
export interface Behaviour<Description extends DeviceDescription, Side> {
  /** By register: gives what a read finds; undefined for what the register holds. */
  readonly onRead?: {
    readonly [Name in keyof RegisterDescriptions<Description>]?: (
      read: RegisterRead,
    ) => number | bigint | undefined
  }
  /**
   * By register: is told what a driver wrote, bit for bit. What has become of the register by its access kind is in
   * `registers`.
   */
  readonly onWrite?: {
    readonly [Name in keyof RegisterDescriptions<Description>]?: (
      written: RegisterValue<RegisterDescriptions<Description>[Name]>,
      write: RegisterWrite<RegisterValue<RegisterDescriptions<Description>[Name]>>,
    ) => void
  }
  /** Goes back to the state after power-on. Registers, windows, engines, rings and interrupts have by then. */
  readonly reset?: () => void
  /** What a test does to the device from outside: cables, disks, buttons. */
  readonly side?: Side
}
