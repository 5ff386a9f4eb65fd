import { checkInteger, checkMilliseconds, checkOptionNames } from '../arguments'
import { defineDevice } from '../define/define-device'
import type { DefinedDevice } from '../define/defined-device'
import type { InterruptCauses } from '../define/interrupt-causes'
import { invalidArgument } from '../errors'
import { AhciPort } from './ahci-port'
import { AHCI_PORTS, type AhciBehaviour, type AhciInside, ahciDescription } from './ahci-registers'
import { AtaDisk, type DiskOptions } from './ata-disk'

/** How a controller made by {@link createAhciController} is built. */
export interface AhciOptions {
  /** The disks, by port; undefined where there is none. Up to six. */
  readonly disks?: readonly (DiskOptions | undefined)[]
  /** What a link moves in a virtual millisecond; 150,000 by default, the first generation of SATA. */
  readonly bytesPerMillisecond?: number
  /** How long a disk thinks before it moves data, in virtual milliseconds; 0.1 by default. */
  readonly commandMilliseconds?: number
}

/** What a test does to a controller. */
export interface AhciSide {
  /** Plugs a disk into a port, 0 to 5. */
  plug(port: number, disk: DiskOptions): void
  /** Pulls the disk out of a port. A command under way never ends. */
  unplug(port: number): void
}

const RESET_MILLISECONDS = 0.01
/** PxSCTL.DET while the link is being reset. */
const DETECT_RESET = 1

type Settings = Required<Omit<AhciOptions, 'disks'>> & { readonly disks: readonly (AtaDisk | undefined)[] }

class Controller implements AhciBehaviour<AhciSide> {
  readonly onWrite: AhciBehaviour<AhciSide>['onWrite'] = {
    GHC: () => this.#control(),
    IS: () => this.#collect(),
    PxIS: () => this.#collect(),
    PxIE: () => this.#collect(),
    PxCMD: (_written, { index }) => this.#ports[index]!.control(),
    PxCI: (_written, { index }) => this.#issue(index),
    PxSCTL: (_written, { index, previous }) => {
      const before = previous & 0xf
      const { DET } = this.#device.registers.PxSCTL[index]!.fields
      if (before === DETECT_RESET && DET === 0) this.#ports[index]!.resetLink()
    },
  }
  readonly side: AhciSide = {
    plug: (port, disk) => this.#portAt(port).exchange(new AtaDisk(disk)),
    unplug: (port) => this.#portAt(port).exchange(undefined),
  }
  readonly #device: AhciInside
  readonly #ports: readonly AhciPort[]
  readonly #causes: InterruptCauses

  constructor(device: AhciInside, settings: Settings) {
    const { registers } = device
    this.#device = device
    this.#causes = device.causes({ status: registers.IS, gate: () => registers.GHC.fields.IE === 1 })
    this.#ports = Array.from(
      { length: AHCI_PORTS },
      (_, index) => new AhciPort(device, index, settings, (causes) => this.#raise(index, causes)),
    )
    for (const [index, port] of this.#ports.entries()) {
      port.disk = settings.disks[index]
      port.resetLink()
    }
  }

  reset(): void {
    for (const port of this.#ports) port.resetLink()
  }

  #raise(port: number, causes: number): void {
    this.#device.registers.PxIS[port]!.value |= causes
    this.#collect()
  }

  /** Sets the bit of each port that has an enabled cause. Only the driver clears it, after those of the port. */
  #collect(): void {
    const { IS, PxIS, PxIE } = this.#device.registers
    let pending = 0
    for (let port = 0; port < AHCI_PORTS; port++) {
      if ((PxIS[port]!.value & PxIE[port]!.value) !== 0) pending |= 1 << port
    }
    if (pending !== 0) IS.value |= pending
  }

  /** GHC was written: the interrupt switch, and the reset of the whole controller, which takes a moment. */
  #control(): void {
    const { registers, schedule } = this.#device
    this.#causes.refresh()
    if (registers.GHC.fields.HR === 0) return
    schedule(RESET_MILLISECONDS, () => {
      registers.GHC.value = 0x8000_0000
      registers.IS.value = 0
      for (const [index, port] of this.#ports.entries()) {
        const { PxIS, PxIE, PxCMD, PxCI, PxSERR, PxSCTL } = registers
        for (const register of [PxIS, PxIE, PxCI, PxSERR, PxSCTL]) register[index]!.value = 0
        PxCMD[index]!.value = 0x6
        port.resetLink()
        port.control()
      }
      this.#causes.refresh()
    })
  }

  #issue(port: number): void {
    const { PxCI, PxCMD } = this.#device.registers
    if (PxCMD[port]!.fields.ST === 0) {
      this.#device.log(`port ${port}: a command is issued while ST is 0: it is lost`)
      PxCI[port]!.value = 0
    } else this.#ports[port]!.run()
  }

  #portAt(port: number): AhciPort {
    return this.#ports[checkInteger(port, 'port', 0, AHCI_PORTS - 1)]!
  }
}

const makeController = defineDevice(
  ahciDescription,
  (device, settings: Settings) => new Controller(device, settings),
)

/**
 * Makes an AHCI controller, Intel's ICH9 as QEMU has it: six ports, disks that are bytes in memory, the commands IDENTIFY
 * DEVICE, READ and WRITE DMA (EXT), READ SECTORS (EXT), FLUSH CACHE (EXT), resets of disk, link and controller.
 *
 * It is stricter than QEMU, where the specification (AHCI 1.3.1) is: a PRDT that is too short is an overflow, one that
 * leads nowhere a host bus fatal error; IS stays until the driver clears it; reading by PIO ends without a register FIS. A
 * port with an error does nothing more until its ST was 0. Not modelled: native command queueing, ATAPI, port
 * multipliers, power management, the index and data ports of BAR 4.
 * @throws `DMA_INVALID_ARGUMENT`
 * @example
 * ```ts
 * const disk = new Uint8Array(1 << 20)
 * const controller = machine.addDevice(createAhciController({ disks: [{ bytes: disk }] }))
 * ```
 */
export function createAhciController(options: AhciOptions = {}): AhciController {
  checkOptionNames(options, ['disks', 'bytesPerMillisecond', 'commandMilliseconds'], 'createAhciController')
  const { disks = [], bytesPerMillisecond = 150_000, commandMilliseconds = 0.1 } = options
  checkMilliseconds(commandMilliseconds, 'commandMilliseconds')
  if (!Array.isArray(disks) || disks.length > AHCI_PORTS) {
    invalidArgument(`disks is no array of up to ${AHCI_PORTS}`, 'give one for each port: disks: [{ bytes }]')
  }
  return makeController({
    bytesPerMillisecond,
    commandMilliseconds,
    disks: disks.map((disk) => (disk === undefined ? undefined : new AtaDisk(disk))),
  })
}

/** An AHCI controller: see {@link createAhciController}. */
export type AhciController = DefinedDevice<typeof ahciDescription, AhciSide>
