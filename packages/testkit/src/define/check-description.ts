import { checkInteger, checkOptionNames, checkText } from '../arguments'
import { invalidArgument } from '../errors'
import { checkDescribed } from '../models/check-model'
import { checkBars } from '../pci/check-bars'
import { bitsOf } from './bits'
import { checkNoOverlap, type Place, placesOf } from './check-places'
import type { BarDescription, DeviceDescription, RegisterDescription, WindowDescription } from './description'

const widths = [8, 16, 32, 64]
const kinds = ['rw', 'ro', 'wo', 'w1c', 'w1s', 'rc']
const endians = ['little', 'big']
const deviceOptions = ['name', 'identity', 'bars', 'interrupts', 'resettable', 'dmaMaskBits']
const identityOptions = ['vendor', 'device', 'revision', 'classCode', 'subsystemVendor', 'subsystemDevice']
const interruptOptions = ['pin', 'pinMaskable', 'msi', 'msix']
const msixOptions = ['vectors', 'bar', 'tableOffset', 'pendingOffset']
const layoutOptions = ['byteLength', 'kind', 'index', 'addressWidth', 'prefetchable']
const barOptions = [...layoutOptions, 'registers', 'windows', 'endian', 'undescribed']
const registerOptions = [
  ...['offset', 'width', 'access', 'reset', 'endian', 'fields', 'count', 'stride', 'accepts'],
]

/** The longest array: as many as there are doorbells of NVMe. */
const MOST_REGISTERS = 65_536
/** What a number of JavaScript's bit operations holds. */
const MOST_FIELD_BITS = 32

/** Refuses a description of what no device can be. @throws `DMA_INVALID_ARGUMENT` */
export function checkDescription(description: DeviceDescription): void {
  checkOptionNames(description, deviceOptions, 'defineDevice')
  checkText(description.name, 'name of the device')
  const { name, bars, identity, interrupts } = description
  if (!Array.isArray(bars) || bars.length === 0) {
    invalidArgument(`${name} has no BAR`, 'give it bars: [{ byteLength: 4096, registers: { … } }]')
  }
  checkOptionNames(identity ?? {}, identityOptions, `${name}: identity`)
  checkOptionNames(interrupts ?? {}, interruptOptions, `${name}: interrupts`)
  checkOptionNames(interrupts?.msix ?? {}, msixOptions, `${name}: msix`)
  checkDescribed(description, name)
  const seen = new Set<string>()
  bars.forEach((bar, place) => {
    checkBar(bar, `${name}, BAR ${bar?.index ?? place}`, seen)
  })
  checkBars(bars, name)
}

function checkBar(bar: BarDescription, owner: string, seen: Set<string>): void {
  checkOptionNames(bar, barOptions, owner)
  checkInteger(bar.byteLength, `${owner}: byteLength`, 1)
  checkChoice(bar.endian, endians, `${owner}: endian`)
  checkChoice(bar.undescribed, ['zeros', 'ones'], `${owner}: undescribed`)
  const places: Place[] = []
  for (const [name, register] of Object.entries(bar.registers ?? {})) {
    checkName(name, owner, seen)
    checkRegister(register, `${owner}: register ${name}`)
    places.push(...placesOf(name, register))
  }
  for (const [name, window] of Object.entries(bar.windows ?? {})) {
    checkName(name, owner, seen)
    checkWindow(window, `${owner}: window ${name}`)
    places.push({ name, start: window.offset, end: window.offset + window.byteLength })
  }
  checkNoOverlap(places, bar.byteLength, owner)
}

function checkName(name: string, owner: string, seen: Set<string>): void {
  if (seen.has(name)) {
    invalidArgument(
      `${owner}: '${name}' is there twice`,
      'names of registers and windows are unique over all BARs of a device',
    )
  }
  seen.add(name)
}

function checkRegister(register: RegisterDescription, owner: string): void {
  checkOptionNames(register, registerOptions, owner)
  const { offset, width, access, endian, accepts, count } = register
  if (!widths.includes(width))
    invalidArgument(`${owner} is ${String(width)} bits wide`, 'a register has 8, 16, 32 or 64 bits')
  const byteLength = width / 8
  checkAligned(offset, byteLength, `${owner}: offset`)
  checkChoice(access, kinds, `${owner}: access`)
  checkChoice(endian, endians, `${owner}: endian`)
  if (accepts?.length === 0)
    invalidArgument(`${owner} accepts no access`, 'leave accepts out for accesses of its own width')
  for (const one of accepts ?? []) {
    if (!widths.includes(one) || one > width) {
      invalidArgument(
        `${owner} accepts accesses of ${String(one)} bits`,
        `a register of ${width} bits can take accesses of ${widths.filter((each) => each <= width).join(', ')}`,
      )
    }
  }
  if (count !== undefined) checkArray(register, owner)
  else if (register.stride !== undefined)
    invalidArgument(`${owner} has a stride and no count`, 'a stride is for an array: add count')
  checkReset(register, owner)
  checkFields(register, owner)
}

function checkArray({ count, stride, width }: RegisterDescription, owner: string): void {
  checkInteger(count, `${owner}: count`, 1, MOST_REGISTERS)
  if (stride === undefined) return
  checkAligned(stride, width / 8, `${owner}: stride`)
  if (stride === 0)
    invalidArgument(`${owner}: the stride is 0`, 'leave it out where the registers lie side by side')
}

function checkReset({ reset = 0, width }: RegisterDescription, owner: string): void {
  const isWhole = typeof reset === 'bigint' || Number.isSafeInteger(reset)
  if (!isWhole || BigInt.asUintN(width, BigInt(reset)) !== BigInt(reset)) {
    invalidArgument(`${owner}: reset is ${String(reset)}`, `give an integer from 0 to 2^${width} - 1`)
  }
}

function checkFields({ fields = {}, width, access }: RegisterDescription, owner: string): void {
  const taken = new Map<number, string>()
  for (const [name, field] of Object.entries(fields)) {
    const { lowest, count } = bitsOf(field)
    checkInteger(lowest, `${owner}: lowest bit of ${name}`, 0, width - 1)
    checkInteger(lowest + count - 1, `${owner}: highest bit of ${name}`, lowest, width - 1)
    if (count > MOST_FIELD_BITS)
      invalidArgument(`${owner}: field ${name} has ${count} bits`, `a field has ${MOST_FIELD_BITS} at most`)
    const own = typeof field === 'object' && 'bits' in field ? field.access : access
    checkChoice(own, kinds, `${owner}: access of ${name}`)
    for (let bit = lowest; bit < lowest + count; bit++) {
      const other = taken.get(bit)
      if (other !== undefined)
        invalidArgument(`${owner}: bit ${bit} is in ${other} and in ${name}`, 'a bit belongs to one field')
      taken.set(bit, name)
    }
  }
}

function checkWindow(window: WindowDescription, owner: string): void {
  checkOptionNames(window, ['offset', 'byteLength', 'access'], owner)
  checkInteger(window.byteLength, `${owner}: byteLength`, 1)
  checkAligned(window.offset, 8, `${owner}: offset`)
  checkChoice(window.access, ['rw', 'ro'], `${owner}: access`)
}

function checkAligned(value: unknown, unit: number, name: string): void {
  const offset = checkInteger(value, name, 0)
  if (offset % unit !== 0) {
    invalidArgument(
      `${name} is 0x${offset.toString(16)}, which is no multiple of ${unit} bytes`,
      `the nearest are 0x${(offset - (offset % unit)).toString(16)} and 0x${(offset - (offset % unit) + unit).toString(16)}`,
    )
  }
}

function checkChoice(value: unknown, choices: readonly string[], name: string): void {
  if (value === undefined || choices.includes(value as string)) return
  invalidArgument(`${name} is ${String(value)}`, `use one of: ${choices.join(', ')}`)
}
