import { checkOptionNames } from '../arguments'
import { invalidArgument } from '../errors'
import { type AccessWidth, DeviceModel, type PendingTransfer } from './device-model'

const register = {
  id: 0x00,
  liveness: 0x04,
  factorial: 0x08,
  status: 0x20,
  interruptStatus: 0x24,
  interruptRaise: 0x60,
  interruptAcknowledge: 0x64,
  dmaSource: 0x80,
  dmaDestination: 0x88,
  dmaCount: 0x90,
  dmaCommand: 0x98,
} as const

const registerNames: ReadonlyMap<number, string> = new Map(
  Object.entries(register).map(([name, byteOffset]) => [byteOffset, name]),
)

const identification = 0x010000ed
const statusComputing = 0x01
const statusInterrupt = 0x80
const commandRun = 1n
const commandToMemory = 2n
const commandInterrupt = 4n
const factorialInterrupt = 0x001
const dmaInterrupt = 0x100

/** Where the device sees its own buffer, and how long that is. */
const bufferAddress = 0x40000n
const bufferBytes = 4096

const dmaMilliseconds = 100
/** A multiplication takes this long: QEMU's device computes in a thread of its own, at host speed. */
const multiplicationMilliseconds = 0.001

const allOnes = 0xffff_ffff_ffff_ffffn

/** How an {@link EduDevice} is built. */
export interface EduOptions {
  /** Address bits that the DMA engine drives, from the lowest on: the others are dropped. 28 bits by default, as in QEMU. */
  dmaMask?: bigint
}

/**
 * QEMU's educational device (PCI 1234:11e8), after its specification: liveness check, factorials, interrupts, and a
 * DMA engine with a buffer of 4096 bytes at device address 0x40000 and 100 ms for each transfer.
 *
 * A transfer outside the buffer is logged and moves nothing (current QEMU logs it and goes on, beyond its own
 * memory); the command completes all the same, since the device has no error status.
 */
export class EduDevice extends DeviceModel {
  override readonly identity = {
    vendor: 0x1234,
    device: 0x11e8,
    revision: 0x10,
    classCode: 0x00ff00,
    subsystemVendor: 0x1af4,
    subsystemDevice: 0x1100,
  }
  override readonly bars = [{ byteLength: 0x100000 }]
  override readonly interrupts = { pin: true, msi: 1 }
  override readonly dmaMaskBits: number
  readonly #buffer = new Uint8Array(bufferBytes)
  readonly #dma = { source: 0n, destination: 0n, count: 0n, command: 0n }
  #liveness = 0
  #factorial = 0
  #status = 0
  #interruptStatus = 0

  constructor(options: EduOptions = {}) {
    super()
    checkOptionNames(options, ['dmaMask'], 'EduDevice')
    const { dmaMask = (1n << 28n) - 1n } = options
    if (
      typeof dmaMask !== 'bigint' ||
      dmaMask <= 0n ||
      dmaMask > allOnes ||
      (dmaMask & (dmaMask + 1n)) !== 0n
    ) {
      invalidArgument(
        'dmaMask is a bigint of 1 to 64 bits, each of them set',
        'for 28 bits: (1n << 28n) - 1n',
      )
    }
    this.dmaMaskBits = dmaMask.toString(2).length
  }

  override accepts(_bar: number, byteOffset: number, width: AccessWidth): boolean {
    return width === 32 || (width === 64 && byteOffset >= register.dmaSource)
  }

  override registerName(_bar: number, byteOffset: number): string | undefined {
    return registerNames.get(byteOffset)
  }

  override read(_bar: number, byteOffset: number): number | bigint {
    switch (byteOffset) {
      case register.id:
        return identification
      case register.liveness:
        return this.#liveness
      case register.factorial:
        return this.#factorial
      case register.status:
        return this.#status
      case register.interruptStatus:
        return this.#interruptStatus
      case register.dmaSource:
        return this.#dma.source
      case register.dmaDestination:
        return this.#dma.destination
      case register.dmaCount:
        return this.#dma.count
      case register.dmaCommand:
        return this.#dma.command
      default:
        return allOnes
    }
  }

  override write(_bar: number, byteOffset: number, _width: AccessWidth, value: number | bigint): void {
    const word = Number(BigInt(value) & 0xffff_ffffn)
    switch (byteOffset) {
      case register.liveness:
        this.#liveness = ~word >>> 0
        return
      case register.factorial:
        this.#startFactorial(word)
        return
      case register.status:
        this.#status = (this.#status & ~statusInterrupt) | (word & statusInterrupt)
        return
      case register.interruptRaise:
        this.#raise(word)
        return
      case register.interruptAcknowledge:
        this.#interruptStatus = (this.#interruptStatus & ~word) >>> 0
        if (this.#interruptStatus === 0) this.setInterruptLevel(false)
        return
      default:
        this.#writeDma(byteOffset, BigInt(value))
    }
  }

  #startFactorial(operand: number): void {
    if ((this.#status & statusComputing) !== 0) return
    this.#factorial = operand
    this.#status |= statusComputing
    // From 34! on the low 32 bits are all zero, and stay so.
    const steps = Math.min(operand, 34)
    let result = 1
    for (let factor = 2; factor <= steps; factor++) result = Math.imul(result, factor) >>> 0
    this.schedule(Math.max(1, operand) * multiplicationMilliseconds, () => {
      this.#factorial = result
      this.#status &= ~statusComputing
      if ((this.#status & statusInterrupt) !== 0) this.#raise(factorialInterrupt)
    })
  }

  #raise(bits: number): void {
    this.#interruptStatus = (this.#interruptStatus | bits) >>> 0
    if (this.#interruptStatus !== 0) this.raiseInterrupt()
  }

  #writeDma(byteOffset: number, value: bigint): void {
    const dma = this.#dma
    // The registers hold still while a transfer runs.
    if ((dma.command & commandRun) !== 0n) return
    if (byteOffset === register.dmaSource) dma.source = value
    else if (byteOffset === register.dmaDestination) dma.destination = value
    else if (byteOffset === register.dmaCount) dma.count = value
    else if (byteOffset === register.dmaCommand && (value & commandRun) !== 0n) {
      dma.command = value
      this.schedule(dmaMilliseconds, () => this.#finishTransfer())
    }
  }

  override pendingTransfers(): readonly PendingTransfer[] {
    const { source, destination, count, command } = this.#dma
    if ((command & commandRun) === 0n) return []
    const byteLength = Number(count)
    return (command & commandToMemory) === 0n
      ? [{ address: source, byteLength, direction: 'read' }]
      : [{ address: destination, byteLength, direction: 'write' }]
  }

  #finishTransfer(): void {
    const { source, destination, command } = this.#dma
    if ((command & commandToMemory) === 0n) {
      const target = this.#bufferRange(destination)
      if (target !== undefined) this.dma.read(source, target)
    } else {
      const content = this.#bufferRange(source)
      if (content !== undefined) this.dma.write(destination, content)
    }
    this.#dma.command = command & ~commandRun
    if ((command & commandInterrupt) !== 0n) this.#raise(dmaInterrupt)
  }

  /** The part of the buffer that a transfer is about; undefined, with a line in the log, where it is not inside. */
  #bufferRange(start: bigint): Uint8Array | undefined {
    const offset = start - bufferAddress
    const { count } = this.#dma
    if (offset < 0n || offset + count > BigInt(bufferBytes)) {
      this.log(
        `edu: DMA of ${count} bytes at device address 0x${start.toString(16)} is outside the buffer (0x40000 to 0x40fff)`,
      )
      return undefined
    }
    return this.#buffer.subarray(Number(offset), Number(offset + count))
  }
}
