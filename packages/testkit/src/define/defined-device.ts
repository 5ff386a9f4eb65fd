import type { ScheduledEvent } from '../clock'
import { invalidArgument } from '../errors'
import {
  type AccessWidth,
  type BarLayout,
  DeviceModel,
  type InterruptLayout,
  type PciIdentity,
  type PendingTransfer,
} from '../models/device-model'
import { BarMap } from './bar-map'
import type { Behaviour, DeviceInside } from './behaviour'
import { ones } from './bits'
import type { DeviceDescription } from './description'
import { DescriptorRing } from './descriptor-ring'
import { CauseRegisters, type InterruptCauses } from './interrupt-causes'
import type { Register } from './register'
import { PacedEngine } from './transfer-engine'
import type { DeviceRegisters, DeviceWindows } from './typed-device'
import { loadWindow, storeWindow } from './window-access'

/** Makes what a device does, for one device. */
export type MakeBehaviour<Description extends DeviceDescription, Side> = (
  device: DeviceInside<Description>,
) => Behaviour<Description, Side>

type AnyHooks = Readonly<Record<string, ((...given: never[]) => unknown) | undefined>>

/** A device that `defineDevice` describes. */
export class DefinedDevice<Description extends DeviceDescription, Side> extends DeviceModel {
  /** The name in its description. */
  readonly name: string
  override readonly identity: PciIdentity
  override readonly bars: readonly BarLayout[]
  override readonly interrupts: InterruptLayout
  override readonly resettable: boolean
  override readonly dmaMaskBits: number | undefined
  /** What it holds, by name: `device.registers.status.value`. */
  readonly registers: DeviceRegisters<Description>
  /** Its own memory, by name. */
  readonly windows: DeviceWindows<Description>
  /** What its behaviour lets a test do to it. Reachable from the start, before any driver opens the device. */
  readonly side: Side
  readonly #named: Readonly<Record<string, Register | Register[]>>
  readonly #maps = new Map<number, BarMap>()
  readonly #events = new Set<ScheduledEvent>()
  readonly #resets: (() => void)[] = []
  readonly #engines: PacedEngine[] = []
  readonly #line = new Set<InterruptCauses>()
  readonly #logged = new Set<string>()
  readonly #behaviour: Behaviour<Description, Side>

  constructor(description: Description, makeBehaviour: MakeBehaviour<Description, Side>) {
    super()
    const { name, identity, bars, interrupts = {}, resettable = true } = description
    this.name = name
    this.identity = identity
    this.bars = bars
    this.interrupts = interrupts
    this.resettable = resettable
    this.dmaMaskBits = description.dmaMaskBits
    bars.forEach((bar, place) => {
      this.#maps.set(bar.index ?? place, new BarMap(bar))
    })
    const maps = [...this.#maps.values()]
    const windows = Object.assign({}, ...maps.map((map) => map.windows))
    this.#named = Object.assign({}, ...maps.map((map) => map.registers))
    this.registers = this.#named as unknown as DeviceRegisters<Description>
    this.windows = Object.fromEntries(
      Object.entries(windows as BarMap['windows']).map(([one, { bytes }]) => [one, bytes]),
    ) as DeviceWindows<Description>
    const behaviour = makeBehaviour(this.#inside())
    this.#hook((behaviour.onRead ?? {}) as AnyHooks, (behaviour.onWrite ?? {}) as AnyHooks)
    this.#behaviour = behaviour
    this.side = behaviour.side as Side
  }

  override get kind(): string {
    return this.name
  }

  override registerName(bar: number, byteOffset: number): string | undefined {
    return this.#maps.get(bar)?.registerAt(byteOffset)?.register.name
  }

  override read(bar: number, byteOffset: number, width: AccessWidth): number | bigint {
    const value = this.#load(bar, byteOffset, width)
    return width === 64 ? value : Number(value)
  }

  #load(bar: number, byteOffset: number, width: AccessWidth): bigint {
    const map = this.#maps.get(bar)!
    const found = map.registerAt(byteOffset)
    if (found !== undefined) {
      if (isTaken(found, width)) return found.register.load(found.byteOffset, width)
      this.#logAccess('read', bar, byteOffset, width, mismatch(found.register))
      return found.register.accepts.some((one) => one < width) ? ones(width) : 0n
    }
    const window = map.windowAt(byteOffset, width)
    if (window !== undefined) return loadWindow(window, byteOffset, width)
    this.#logAccess('read', bar, byteOffset, width, 'nothing is there')
    return map.description.undescribed === 'ones' ? ones(width) : 0n
  }

  override write(bar: number, byteOffset: number, width: AccessWidth, value: number | bigint): void {
    const map = this.#maps.get(bar)!
    const found = map.registerAt(byteOffset)
    if (found !== undefined) {
      if (isTaken(found, width)) found.register.store(found.byteOffset, width, BigInt(value))
      else this.#logAccess('write', bar, byteOffset, width, mismatch(found.register))
      return
    }
    const window = map.windowAt(byteOffset, width)
    if (window === undefined) this.#logAccess('write', bar, byteOffset, width, 'nothing is there')
    else if (window.description.access === 'ro')
      this.#logAccess('write', bar, byteOffset, width, 'the memory there cannot be written')
    else storeWindow(window, byteOffset, width, BigInt(value))
  }

  override reset(): void {
    for (const event of this.#events) event.cancel()
    this.#events.clear()
    for (const reset of this.#resets) reset()
    for (const map of this.#maps.values()) {
      for (const register of map.everyRegister()) register.reset()
      for (const { bytes } of Object.values(map.windows)) bytes.fill(0)
    }
    this.#behaviour.reset?.()
  }

  override pendingTransfers(): readonly PendingTransfer[] {
    return this.#engines.flatMap((engine) => engine.pending())
  }

  #inside(): DeviceInside<Description> {
    const { registers, windows, dma } = this
    const random = () => this.random
    const schedule = (milliseconds: number, run: () => void) => this.#scheduleUntilReset(milliseconds, run)
    return {
      registers,
      windows,
      dma,
      schedule,
      get random() {
        return random()
      },
      now: () => this.now,
      engine: (options) => {
        const engine = new PacedEngine(options, { dma, schedule })
        this.#engines.push(engine)
        return this.#resettable(engine, (one) => one.stop())
      },
      ring: (layout, place) => this.#resettable(new DescriptorRing(layout, place, dma), (one) => one.reset()),
      causes: (options) =>
        new CauseRegisters(options, {
          line: this.#line,
          raise: (vector) => this.raiseInterrupt(vector),
          lower: () => this.setInterruptLevel(false),
        }),
      raiseInterrupt: (vector) => this.raiseInterrupt(vector),
      setInterruptLevel: (asserted) => this.setInterruptLevel(asserted),
      log: (message) => this.log(`${this.name}: ${message}`),
    }
  }

  #resettable<Part>(part: Part, reset: (part: Part) => void): Part {
    this.#resets.push(() => reset(part))
    return part
  }

  #scheduleUntilReset(milliseconds: number, run: () => void): ScheduledEvent {
    const event = this.schedule(milliseconds, () => {
      this.#events.delete(event)
      // Pulled out, it is without power: what repeats itself ends.
      if (!this.removed) run()
    })
    this.#events.add(event)
    return event
  }

  #hook(onRead: AnyHooks, onWrite: AnyHooks): void {
    for (const name of Object.keys({ ...onRead, ...onWrite })) {
      const read = onRead[name] as ((access: object) => number | bigint | undefined) | undefined
      const write = onWrite[name] as ((written: number | bigint, access: object) => void) | undefined
      const registers = Object.hasOwn(this.#named, name)
        ? this.#named[name]!
        : invalidArgument(
            `${this.name}: the behaviour has a hook for '${name}', which is no register`,
            `use one of: ${Object.keys(this.#named).join(', ')}`,
          )
      for (const [index, register] of [registers].flat().entries()) {
        register.setHooks({
          ...(read ? { read: () => read({ index }) } : {}),
          ...(write ? { write: (written, previous) => write(written, { index, previous }) } : {}),
        })
      }
    }
  }

  /** Once for each place: a driver may poll it. */
  #logAccess(verb: 'read' | 'write', bar: number, byteOffset: number, width: AccessWidth, why: string): void {
    const access = `${width}-bit ${verb} at 0x${byteOffset.toString(16)} of BAR ${bar}`
    if (this.#logged.has(access)) return
    this.#logged.add(access)
    this.log(`${this.name}: ${access}: ${why}`)
  }
}

function isTaken(found: { register: Register; byteOffset: number }, width: AccessWidth): boolean {
  return found.register.accepts.includes(width) && found.byteOffset % (width / 8) === 0
}

function mismatch({ name, accepts }: Register): string {
  return `${name} is accessed in ${accepts.join(' or ')} bits`
}
