import type { VirtualClock } from '../clock'
import type { DmaBufParts } from '../dma-buf/dma-buf-parts'
import { fail, invalidArgument } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { deviceNode, textFile } from '../fs/nodes'
import type { MachineLog } from '../machine-log'
import type { FrameAllocator } from '../memory/frames'
import type { TraceLog } from '../trace/trace-log'
import { UDmaBuffer } from './buffer'
import { UDmaBufMemory } from './buffer-memory'
import { UDmaBufFile } from './file'
import { type CheckedParameters, checkParameters, type UDmaBufParameters } from './parameters'
import { parentPath, putUDmaBuf, removeUDmaBuf } from './sysfs'

const driverPath = '/sys/bus/platform/drivers/u-dma-buf'
/** As many devices as the driver has numbers for. */
const deviceLimit = 256

/** What the driver needs of its machine. */
export interface UDmaBufParts extends DmaBufParts {
  readonly fs: FileSystem
  readonly frames: FrameAllocator
  readonly clock: VirtualClock
  readonly log: MachineLog
  readonly trace: TraceLog | undefined
}

/** A u-dma-buf of the machine, as its hardware sees it. */
export interface FakeUDmaBuf {
  /** `udmabuf0` */
  readonly name: string
  /** Where devices find the first byte. */
  readonly dmaAddress: number
  /** What devices have there. Ask for it each time: it moves when a program unmaps the memory. @throws `DMA_INVALID_ARGUMENT` while it is not bound */
  readonly bytes: Uint8Array
}

/** A device of the driver, bound or not. */
interface Slot {
  readonly options: CheckedParameters
  buffer: UDmaBuffer | undefined
}

/** The module u-dma-buf: buffers in one piece of physical memory, for programs. */
export class UDmaBufDriver {
  readonly #parts: UDmaBufParts
  readonly #slots: Slot[] = []

  constructor(parts: UDmaBufParts) {
    this.#parts = parts
  }

  /** Makes a device of it, bound. @throws `DMA_INVALID_ARGUMENT`; `ENOMEM` */
  add(given: UDmaBufParameters): FakeUDmaBuf {
    const taken = new Set(this.#slots.map(({ options }) => options.name))
    const options = checkParameters(given, () => freeName(taken))
    if (taken.has(options.name)) invalidArgument(`there is a u-dma-buf '${options.name}' already`)
    const minor = this.#slots.length
    if (minor >= deviceLimit) fail('ENOMEM', `the driver has ${deviceLimit} devices at most`)
    const slot: Slot = { options, buffer: undefined }
    this.#probe(slot, minor)
    if (minor === 0) this.#mountDriver()
    this.#slots.push(slot)
    const { fs } = this.#parts
    fs.put(
      `${parentPath(minor)}/modalias`,
      textFile(() => 'platform:u-dma-buf\n'),
    )
    fs.link(`${parentPath(minor)}/subsystem`, '/sys/bus/platform')
    fs.link(`/sys/bus/platform/devices/u-dma-buf.${minor}`, parentPath(minor))
    return handleOf(slot)
  }

  #mountDriver(): void {
    const { fs } = this.#parts
    const command = (run: (slot: Slot, minor: number) => void) => (text: string) => {
      const minor = Number(/^u-dma-buf\.(\d+)\n?$/.exec(text)?.[1] ?? -1)
      run(this.#slots[minor] ?? fail('ENODEV', 'no such device'), minor)
    }
    fs.put(
      `${driverPath}/bind`,
      textFile(
        undefined,
        command((slot, minor) => this.#bind(slot, minor)),
      ),
    )
    fs.put(
      `${driverPath}/unbind`,
      textFile(
        undefined,
        command((slot, minor) => this.#unbind(slot, minor)),
      ),
    )
  }

  #bind(slot: Slot, minor: number): void {
    if (slot.buffer !== undefined) fail('EBUSY', 'the device is bound already')
    this.#probe(slot, minor)
  }

  #probe(slot: Slot, minor: number): void {
    const { fs, frames } = this.#parts
    const { size, dmaMaskBits, dmaCoherent, name } = slot.options
    const buffer = new UDmaBuffer(slot.options, new UDmaBufMemory(frames, size, dmaMaskBits, dmaCoherent))
    slot.buffer = buffer
    putUDmaBuf(fs, buffer, minor)
    fs.put(
      `/dev/${name}`,
      deviceNode(0o600, (access) => new UDmaBufFile(buffer, access, this.#parts)),
    )
    fs.link(`${parentPath(minor)}/driver`, driverPath)
    fs.link(`${driverPath}/u-dma-buf.${minor}`, parentPath(minor))
  }

  /** Frees the buffer, whoever has it open; not where a dma-buf was made of it, which is there for good then. */
  #unbind(slot: Slot, minor: number): void {
    const buffer = slot.buffer ?? fail('ENODEV', 'the driver does not have that device')
    const { fs } = this.#parts
    fs.remove(`${driverPath}/u-dma-buf.${minor}`)
    fs.remove(`${parentPath(minor)}/driver`)
    if (buffer.exports > 0) {
      this.#log(minor, 'driver remove failed. return=-16')
      return
    }
    slot.buffer = undefined
    removeUDmaBuf(fs, buffer, minor)
    fs.remove(`/dev/${slot.options.name}`)
    buffer.freed = true
    if (buffer.openFiles > 0) {
      this.#log(
        minor,
        'u-dma-buf was unbound while a program had the buffer open: on Linux the memory is somebody else’s now, and the kernel may crash',
      )
    }
    buffer.memory.free()
  }

  #log(minor: number, message: string): void {
    const device = `u-dma-buf.${minor}`
    this.#parts.log.add({ time: this.#parts.clock.now(), device, message })
    this.#parts.trace?.note(message, device)
  }
}

function freeName(taken: ReadonlySet<string>): string {
  let number = 0
  while (taken.has(`udmabuf${number}`)) number++
  return `udmabuf${number}`
}

function handleOf(slot: Slot): FakeUDmaBuf {
  const bound = () => slot.buffer ?? invalidArgument(`u-dma-buf '${slot.options.name}' is not bound`)
  return {
    name: slot.options.name,
    get dmaAddress() {
      return Number(bound().dmaAddress)
    },
    get bytes() {
      return bound().memory.device.bytes(0, slot.options.size)
    },
  }
}
