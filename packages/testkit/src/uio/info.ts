import { checkInteger, checkOptionNames, checkText } from '../arguments'
import { invalidArgument } from '../errors'
import { checkModel } from '../models/check-model'
import type { DeviceModel } from '../models/device-model'
import { checkName } from '../platform/bus'
import { mapLimit, type PortDescription } from './driver-info'
import type { UioDmaMemory } from './uio-class'

/** A range that a UIO driver offers to be mapped (struct uio_mem). */
export interface UioMem {
  /** As sysfs shows it; empty by default. */
  name?: string
  /** What the range is, and with it which rules mmap has for it. */
  memtype: 'phys' | 'logical' | 'virtual' | 'iova' | 'dma-coherent'
  /** Bytes, 1 or more. */
  byteLength: number
  /** What a program adds to where it has mapped the range, in bytes (`offs`). 0 by default. */
  byteOffset?: number
  /** What answers, for `phys`: the model's BAR 0. Without one the range is memory. */
  model?: DeviceModel
  /** Memory that is allocated when it is mapped through a flag in the offset: `uioDmaMemory: 'flag'` only. */
  dma?: boolean
}

/** I/O ports that a UIO driver tells of (struct uio_port); `/dev/port` reaches them. */
export interface UioPort {
  /** As sysfs shows it; empty by default. */
  name?: string
  /** The first port, 0 to 65535. */
  start: number
  /** How many ports. */
  size: number
  porttype: 'port_none' | 'port_x86' | 'port_gpio' | 'port_other'
  /** A byte is read at a port, numbered as `start` is. 0xff by default. */
  read?(port: number): number
  /** A byte is written. */
  write?(port: number, value: number): void
}

/** A file in the directory of the platform device: text to read, text to write, or both. */
export interface UioAttribute {
  show?(): string
  store?(text: string): void
}

/** What a UIO driver registers (struct uio_info). */
export interface UioInfo {
  name: string
  version: string
  /** Five at most. */
  mem?: readonly UioMem[]
  /** Five at most. */
  port?: readonly UioPort[]
  /** `custom`: the driver counts interrupts by `notify()`, and an interrupt of a model counts one. `none` by default. */
  irq?: 'none' | 'custom'
  /** A program wrote `on`, 32 bits with a sign. Absent: `ENOSYS`. */
  irqcontrol?(on: number): void
  /** Somebody opens the device. */
  open?(): void
  /** One of those who opened it has closed it, and mapped it no more. */
  release?(): void
  /** The platform device, which is made where there is none; by default named as the UIO device. */
  parent?: string
  /** Files in the platform device's directory, by name. */
  attributes?: Readonly<Record<string, UioAttribute>>
}

const infoNames = [
  'name',
  'version',
  'mem',
  'port',
  'irq',
  'irqcontrol',
  'open',
  'release',
  'parent',
  'attributes',
]
const memNames = ['name', 'memtype', 'byteLength', 'byteOffset', 'model', 'dma']
const portNames = ['name', 'start', 'size', 'porttype', 'read', 'write']
const memtypes: readonly UioMem['memtype'][] = ['phys', 'logical', 'virtual', 'iova', 'dma-coherent']
const porttypes: readonly PortDescription['porttype'][] = ['port_none', 'port_x86', 'port_gpio', 'port_other']

/** @throws `DMA_INVALID_ARGUMENT` for what uio_register_device() would refuse, or the fake cannot do */
export function checkUioInfo(info: UioInfo, dmaMemory: UioDmaMemory): void {
  checkOptionNames(info, infoNames, 'registerUio')
  checkText(info.name, 'name')
  checkText(info.version, 'version')
  checkName(info.parent ?? info.name)
  if (info.irq !== undefined && info.irq !== 'none' && info.irq !== 'custom') {
    invalidArgument("irq is 'none' or 'custom'")
  }
  for (const mem of checkList(info.mem, 'mem')) checkMem(mem, dmaMemory)
  for (const port of checkList(info.port, 'port')) checkPort(port)
  for (const name of Object.keys(info.attributes ?? {})) checkName(name)
}

function checkList<Item>(list: readonly Item[] | undefined, name: string): readonly Item[] {
  if (list === undefined) return []
  if (!Array.isArray(list) || list.length > mapLimit)
    invalidArgument(`${name} is no array of ${mapLimit} at most`)
  return list
}

function checkMem(mem: UioMem, dmaMemory: UioDmaMemory): void {
  checkOptionNames(mem, memNames, 'mem')
  if (!memtypes.includes(mem.memtype)) invalidArgument(`memtype is one of ${memtypes.join(', ')}`)
  checkInteger(mem.byteLength, 'byteLength', 1)
  checkInteger(mem.byteOffset ?? 0, 'byteOffset', 0)
  if (mem.dma && dmaMemory !== 'flag') {
    invalidArgument(
      'this UIO core allocates no memory for maps',
      "make the machine so: createFakeMachine({ uioDmaMemory: 'flag' })",
    )
  }
  if (mem.model === undefined) return
  if (mem.memtype !== 'phys') invalidArgument(`a ${mem.memtype} map is memory, which no model answers`)
  checkModel(mem.model)
  const bar = mem.model.bars.find(({ kind, index = 0 }) => kind !== 'io' && index === 0)
  if (bar === undefined || bar.byteLength < mem.byteLength) {
    invalidArgument(`BAR 0 of the model is no memory range of ${mem.byteLength} bytes`)
  }
}

function checkPort(port: UioPort): void {
  checkOptionNames(port, portNames, 'port')
  if (!porttypes.includes(port.porttype)) invalidArgument(`porttype is one of ${porttypes.join(', ')}`)
  checkInteger(port.start, 'start', 0, 0xffff)
  checkInteger(port.size, 'size', 1, 0x1_0000 - port.start)
}
