import { checkMilliseconds, checkOptionNames } from '../arguments'
import { defineDevice } from '../define/define-device'
import type { DefinedDevice } from '../define/defined-device'
import type { InterruptCauses } from '../define/interrupt-causes'
import type { TransferEngine } from '../define/transfer-engine'
import { invalidArgument } from '../errors'
import {
  bigMailbox,
  littleMailbox,
  type MailboxBehaviour,
  type MailboxInside,
  mailboxCause,
  mailboxCommand,
  mailboxError,
} from './mailbox-fpga-registers'

/**
 * Does what a command asks for.
 * @returns up to four results, each taken as 32 bits; `'refused'` for an error
 */
export type MailboxHandler = (request: readonly number[]) => readonly number[] | 'refused'

/** How an FPGA made by {@link createMailboxFpga} is built. */
export interface MailboxFpgaOptions {
  /** The order of bytes in its registers; `little` by default. */
  readonly endian?: 'little' | 'big'
  /** How long a command takes, in virtual milliseconds, its DMA apart; 0.1 by default. */
  readonly commandMilliseconds?: number
  /** What its DMA moves in a virtual millisecond; 100,000 by default. */
  readonly bytesPerMillisecond?: number
}

/** A command that came. */
interface MailboxRequest {
  readonly command: number
  readonly request: readonly number[]
}

/** What a test does to a mailbox. */
export interface MailboxFpgaSide {
  /** Has a command answered by `handler`, from then on. */
  answer(command: number, handler: MailboxHandler): void
  /** Raises the cause `event`, which no command asked for. */
  event(): void
  /** Has no command answered while `hung` is true: those that come in stay busy until a reset. */
  hang(hung: boolean): void
  /** The commands that came, with their arguments. */
  readonly requests: readonly MailboxRequest[]
}

class Mailbox implements MailboxBehaviour<MailboxFpgaSide> {
  readonly #requests: MailboxRequest[] = []
  readonly onWrite: MailboxBehaviour<MailboxFpgaSide>['onWrite'] = { doorbell: () => this.#ring() }
  readonly side: MailboxFpgaSide = {
    answer: (command, handler) => {
      this.#handlers.set(command, handler)
    },
    event: () => this.#causes.raise(mailboxCause.event),
    hang: (hung) => {
      this.#hung = hung
    },
    requests: this.#requests,
  }
  readonly #device: MailboxInside
  readonly #milliseconds: number
  readonly #engine: TransferEngine
  readonly #causes: InterruptCauses
  readonly #handlers = new Map<number, MailboxHandler>([[mailboxCommand.echo, (request) => request]])
  #hung = false

  constructor(device: MailboxInside, options: Required<MailboxFpgaOptions>) {
    const { interruptStatus: status, interruptEnable: enable } = device.registers
    this.#device = device
    this.#milliseconds = options.commandMilliseconds
    this.#engine = device.engine({ bytesPerMillisecond: options.bytesPerMillisecond })
    this.#causes = device.causes({ status, enable })
  }

  #ring(): void {
    const { registers, schedule, log } = this.#device
    const command = registers.command.value
    if (registers.status.fields.busy === 1) {
      log(`the doorbell was rung for command ${command} while another one runs: it is lost`)
      return
    }
    const request = registers.argument.map(({ value }) => value)
    this.#requests.push({ command, request })
    registers.status.fields.error = 0
    registers.status.fields.busy = 1
    if (!this.#hung) schedule(this.#milliseconds, () => this.#run(command, request))
  }

  #run(command: number, request: readonly number[]): void {
    if (command === mailboxCommand.fromMemory || command === mailboxCommand.toMemory) {
      this.#move(command, request[0]!)
      return
    }
    const results = this.#handlers.get(command)?.(request)
    if (results === undefined) this.#finish(mailboxError.unknownCommand)
    else if (results === 'refused') this.#finish(mailboxError.refused)
    else this.#finish(0, results)
  }

  /** Copies between the buffer in memory and the FPGA's own memory, from `start` of that on. */
  #move(command: number, start: number): void {
    const { registers, windows } = this.#device
    const address = registers.bufferAddress.value
    const byteLength = registers.bufferLength.value
    const part = windows.memory.subarray(start, start + byteLength)
    const finish = (complete: boolean) =>
      complete ? this.#finish(0, [byteLength]) : this.#finish(mailboxError.fault)
    if (part.byteLength !== byteLength) this.#finish(mailboxError.range)
    else if (command === mailboxCommand.toMemory) this.#engine.write(address, part, finish)
    else {
      this.#engine.read(address, byteLength, (bytes, complete) => {
        if (complete) part.set(bytes)
        finish(complete)
      })
    }
  }

  #finish(error: number, results: readonly number[] = []): void {
    const { result, status } = this.#device.registers
    for (const [index, register] of result.entries()) register.value = results[index] ?? 0
    status.fields.error = error
    status.fields.busy = 0
    this.#causes.raise(mailboxCause.done)
  }
}

const makeLittle = defineDevice(
  littleMailbox,
  (device, options: Required<MailboxFpgaOptions>) => new Mailbox(device, options),
)
const makeBig = defineDevice(
  bigMailbox,
  (device, options: Required<MailboxFpgaOptions>) => new Mailbox(device, options),
)

/**
 * Makes an FPGA with a mailbox, as they come with UIO drivers: a command, its arguments and a doorbell; results, a status
 * and an interrupt; two kilobytes of memory, and commands that copy between that and a buffer of the driver's.
 *
 * It goes on a PCI bus, or into `machine.addPlatformDevice()`, where its DMA is by physical address.
 * @throws `DMA_INVALID_ARGUMENT`
 * @example
 * ```ts
 * const fpga = machine.addPlatformDevice(createMailboxFpga({ endian: 'big' }), { driver: 'uio_pdrv_genirq' })
 * fpga.side.answer(0x10, ([celsius = 0]) => [celsius * 1.8 + 32])
 * ```
 */
export function createMailboxFpga(options: MailboxFpgaOptions = {}): MailboxFpga {
  checkOptionNames(options, ['endian', 'commandMilliseconds', 'bytesPerMillisecond'], 'createMailboxFpga')
  const { endian = 'little', commandMilliseconds = 0.1, bytesPerMillisecond = 100_000 } = options
  checkMilliseconds(commandMilliseconds, 'commandMilliseconds')
  if (endian !== 'little' && endian !== 'big')
    invalidArgument(`endian is ${String(endian)}`, "use 'little' or 'big'")
  const decided = { endian, commandMilliseconds, bytesPerMillisecond }
  return endian === 'big' ? (makeBig(decided) as MailboxFpga) : makeLittle(decided)
}

/** An FPGA with a mailbox: see {@link createMailboxFpga}. */
export type MailboxFpga = DefinedDevice<typeof littleMailbox, MailboxFpgaSide>
