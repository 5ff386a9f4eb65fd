import type { TransferEngine } from '../define/transfer-engine'
import type { DeviceRegister } from '../define/typed-device'
import { greetingFis, pioSetupFis, registerFis } from './ahci-fis'
import { moveRegions, type Region, readRegions } from './ahci-memory'
import {
  type AhciInside,
  ahciCause,
  type CommandHeader,
  commandHeader,
  fisType,
  receivedFis,
} from './ahci-registers'
import { ATA_ABORTED, type AtaDisk, type AtaTransfer, ataStatus } from './ata-disk'

/** A disk's answer to a reset: one sector, the first, no cylinder. */
const DISK_SIGNATURE = 0x0000_0101
const NO_SIGNATURE = 0xffff_ffff
/** Status and error before a device has said anything, and after its reset went well. */
const NOTHING_SAID = 0x7f
const DIAGNOSED_GOOD = 0x01
/** PxSSTS: a device is there, the link runs at 1.5 Gb/s and is active. */
const CONNECTED = 0x113
/** PxSERR: a device was plugged in or out. */
const EXCHANGED = 0x0400_0000
const FIS_WORDS = 5
const WRITE = 0x40
/** Of a command FIS: it brings a command, not the control register, where this bit resets. */
const IS_COMMAND = 0x80
const SOFT_RESET = 0x04

/** The registers of one port. */
interface PortRegisters {
  readonly PxCLB: DeviceRegister<bigint>
  readonly PxFB: DeviceRegister<bigint>
  readonly PxCMD: AhciInside['registers']['PxCMD'][number]
  readonly PxTFD: DeviceRegister<number>
  readonly PxSIG: DeviceRegister<number>
  readonly PxSSTS: DeviceRegister<number>
  readonly PxSERR: DeviceRegister<number>
  readonly PxCI: DeviceRegister<number>
}

/** A command under way. */
interface Command {
  readonly slot: number
  readonly header: CommandHeader
  readonly fis: Uint8Array
}

/** A port of an AHCI controller: its command list, and the disk behind it. */
export class AhciPort {
  disk: AtaDisk | undefined
  readonly #device: AhciInside
  readonly #index: number
  readonly #registers: PortRegisters
  readonly #engine: TransferEngine
  readonly #milliseconds: number
  readonly #raise: (causes: number) => void
  #running: Command | undefined
  /** Nothing more is done until the driver has stopped the port: there was an error. */
  #halted = false
  #greeted = false
  #resetting = false

  constructor(
    device: AhciInside,
    index: number,
    options: { bytesPerMillisecond: number; commandMilliseconds: number },
    raise: (causes: number) => void,
  ) {
    this.#device = device
    this.#index = index
    this.#registers = registersOf(device, index)
    this.#engine = device.engine({ bytesPerMillisecond: options.bytesPerMillisecond })
    this.#milliseconds = options.commandMilliseconds
    this.#raise = raise
  }

  /** The link is reset: by the port, by the whole controller, or since the disk was exchanged. */
  resetLink(): void {
    const { PxTFD, PxSIG, PxSSTS } = this.#registers
    this.#engine.stop()
    this.#running = undefined
    this.#greeted = false
    this.#resetting = false
    PxTFD.value = NOTHING_SAID
    PxSIG.value = NO_SIGNATURE
    PxSSTS.value = this.disk === undefined ? 0 : CONNECTED
    this.#greet()
  }

  /** A disk is plugged in, or out. */
  exchange(disk: AtaDisk | undefined): void {
    this.disk = disk
    this.resetLink()
    this.#registers.PxSERR.value |= EXCHANGED
    this.#raise(ahciCause.connect)
  }

  /** PxCMD was written. */
  control(): void {
    const { fields } = this.#registers.PxCMD
    fields.FR = fields.FRE
    this.#greet()
    if (fields.ST === 0) this.#stop()
    else if (fields.CR === 0) {
      if (fields.FRE === 0) this.#log('it is started without FRE: what the disk says is lost')
      fields.CR = 1
    }
    this.run()
  }

  /** Takes the next command: one was issued, or the last one is done. */
  run(): void {
    const { PxCI, PxCMD, PxCLB, PxTFD } = this.#registers
    const issued = PxCI.value
    if (PxCMD.fields.CR === 0 || PxCMD.fields.ST === 0 || this.#halted) return
    if (this.#running !== undefined || issued === 0 || this.disk === undefined) return
    const slot = 31 - Math.clz32(issued & -issued)
    PxCMD.fields.CCS = slot
    const bytes = new Uint8Array(commandHeader.byteLength)
    const fis = new Uint8Array(FIS_WORDS * 4)
    const { dma } = this.#device
    if (!dma.read(PxCLB.value + BigInt(slot * commandHeader.byteLength), bytes)) {
      this.#fail(ahciCause.hostFatal, `the header of slot ${slot} cannot be read`)
      return
    }
    const header = commandHeader.decode(bytes)
    if (!dma.read(header.table, fis))
      this.#fail(ahciCause.hostFatal, `the table of slot ${slot} cannot be read`)
    else if (fis[0] !== fisType.registerHostToDevice || (header.flags & 0x1f) < FIS_WORDS) {
      this.#fail(ahciCause.interfaceFatal, `slot ${slot} has no command FIS of ${FIS_WORDS} words`)
    } else {
      PxTFD.value = ataStatus.busy
      this.#running = { slot, header, fis }
      const command = this.#running
      this.#device.schedule(this.#milliseconds, () => {
        if (this.#running === command) this.#execute(command)
      })
    }
  }

  #execute(command: Command): void {
    const { fis, header } = command
    if ((fis[1]! & IS_COMMAND) === 0) {
      this.#controlDisk(command)
      return
    }
    const transfer = this.disk!.begin(fis)
    if (transfer === 'aborted') this.#abort(command)
    else if (transfer.direction === 'none') this.#complete(command, transfer, 0)
    else if ((header.flags & WRITE) !== (transfer.direction === 'out' ? WRITE : 0)) {
      this.#fail(ahciCause.interfaceFatal, `the W bit of slot ${command.slot} does not fit its command`)
    } else this.#move(command, transfer)
  }

  #move(command: Command, transfer: Exclude<AtaTransfer, 'aborted' | { direction: 'none' }>): void {
    const { header, slot } = command
    const { bytes, direction } = transfer
    const regions = readRegions(this.#device.dma, header, bytes.byteLength)
    if (regions === 'short') {
      this.#fail(ahciCause.overflow, `the PRDT of slot ${slot} is shorter than its ${bytes.byteLength} bytes`)
    } else if (regions === 'odd') {
      this.#fail(ahciCause.hostFatal, `the PRDT of slot ${slot} has an odd address or byte count`)
    } else if (regions === 'unreadable') {
      this.#fail(ahciCause.hostFatal, `the PRDT of slot ${slot} cannot be read`)
    } else {
      moveRegions(this.#engine, regions, bytes, direction, (moved) => {
        this.#countBytes(command, moved)
        if (moved < bytes.byteLength) {
          this.#fail(ahciCause.hostFatal, `the memory of slot ${slot} cannot be reached`)
        } else this.#complete(command, transfer, causeOf(regions))
      })
    }
  }

  #countBytes({ slot }: Command, moved: number): void {
    const { offset } = commandHeader.place('byteCount')
    const address = this.#registers.PxCLB.value + BigInt(slot * commandHeader.byteLength + offset)
    this.#device.dma.write(address, commandHeader.encode({ byteCount: moved }).subarray(offset, offset + 4))
  }

  #complete(command: Command, transfer: Exclude<AtaTransfer, 'aborted'>, causes: number): void {
    const isPioRead = transfer.direction === 'in' && transfer.pio
    if (transfer.direction === 'none') this.#countBytes(command, 0)
    this.#registers.PxTFD.value = ataStatus.ready
    // What is read by PIO ends with its data: no register FIS follows.
    if (isPioRead) this.#receive(receivedFis.pioSetup, pioSetupFis(command.fis, transfer.bytes.byteLength))
    else this.#receive(receivedFis.deviceToHost, registerFis(command.fis, ataStatus.ready, 0))
    this.#finish(command)
    this.#raise(causes | (isPioRead ? ahciCause.pioSetup : ahciCause.deviceToHost))
    this.run()
  }

  /** The disk does not do it: the command stays issued until the driver has stopped the port. */
  #abort({ fis }: Command): void {
    const status = ataStatus.error | (ataStatus.ready & 0x40)
    this.#countBytes(this.#running!, 0)
    this.#registers.PxTFD.value = (ATA_ABORTED << 8) | status
    this.#receive(receivedFis.deviceToHost, registerFis(fis, status, ATA_ABORTED))
    this.#halt()
    this.#raise(ahciCause.taskFile | ahciCause.deviceToHost)
  }

  /** The controller itself cannot go on. */
  #fail(cause: number, why: string): void {
    this.#log(why)
    this.#halt()
    this.#raise(cause)
  }

  #halt(): void {
    this.#halted = true
    this.#running = undefined
    if (this.#registers.PxCMD.fields.ST === 0) this.#stop()
  }

  #finish({ slot }: Command): void {
    const { PxCI, PxCMD } = this.#registers
    PxCI.value &= ~(1 << slot)
    this.#running = undefined
    if (PxCMD.fields.ST === 0) this.#stop()
  }

  /** ST is 0: the port has stopped once the command under way is done. */
  #stop(): void {
    if (this.#running !== undefined) return
    const { PxCI, PxCMD } = this.#registers
    PxCMD.fields.CR = 0
    PxCMD.fields.CCS = 0
    PxCI.value = 0
    this.#halted = false
  }

  /** A FIS with the control register: the disk resets between a one and a zero of its reset bit. */
  #controlDisk(command: Command): void {
    const resets = (command.fis[15]! & SOFT_RESET) !== 0
    const was = this.#resetting
    this.#finish(command)
    this.#resetting = resets
    if (was && !resets) {
      this.#greeted = false
      this.#greet()
    } else this.#registers.PxTFD.value = resets ? ataStatus.busy : ataStatus.ready
    this.run()
  }

  /** The first thing that a disk says, as soon as somebody listens. */
  #greet(): void {
    const { PxCMD, PxSIG, PxTFD } = this.#registers
    if (this.disk === undefined || this.#greeted || PxCMD.fields.FRE === 0) return
    this.#greeted = true
    PxSIG.value = DISK_SIGNATURE
    PxTFD.value = (DIAGNOSED_GOOD << 8) | ataStatus.ready
    this.#receive(receivedFis.deviceToHost, greetingFis(DIAGNOSED_GOOD))
    this.#raise(ahciCause.deviceToHost)
  }

  #receive(place: number, fis: Uint8Array): void {
    const { PxCMD, PxFB } = this.#registers
    if (PxCMD.fields.FR === 0) return
    if (!this.#device.dma.write(PxFB.value + BigInt(place), fis)) {
      this.#log('the area for received FISes cannot be written')
      this.#raise(ahciCause.hostFatal)
    }
  }

  #log(message: string): void {
    this.#device.log(`port ${this.#index}: ${message}`)
  }
}

function registersOf({ registers }: AhciInside, index: number): PortRegisters {
  const { PxCLB, PxFB, PxCMD, PxTFD, PxSIG, PxSSTS, PxSERR, PxCI } = registers
  return {
    PxCLB: PxCLB[index]!,
    PxFB: PxFB[index]!,
    PxCMD: PxCMD[index]!,
    PxTFD: PxTFD[index]!,
    PxSIG: PxSIG[index]!,
    PxSSTS: PxSSTS[index]!,
    PxSERR: PxSERR[index]!,
    PxCI: PxCI[index]!,
  }
}

function causeOf(regions: readonly Region[]): number {
  return regions.some(({ interrupt }) => interrupt) ? ahciCause.descriptor : 0
}
