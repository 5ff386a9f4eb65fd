import type { IoRegion } from '@linux-dma/core'
import type { BoundRegister } from '@linux-dma/native'
import { createRegisters } from '../fixtures'
import { nanosecondsPerOperation, pair } from '../pair'
import type { Reference } from '../reference'
import type { Row } from '../row'

const COUNT = 5_000_000
const WINDOW = 4096

/** Registers in the first-level cache: what an access itself costs, with no device to wait for. */
export function registerRows(reference: Reference): Row[] {
  return [
    {
      name: 'register read, bound',
      unit: 'ns',
      measure(context) {
        const { registers, fd } = createRegisters(WINDOW)
        const address = reference.mapShared(fd, WINDOW, 0)
        const register = registers.register32(0x40)
        return pair(
          context,
          nanosecondsPerOperation((count) => reference.readRegister(address + 0x40, count), COUNT),
          nanosecondsPerOperation((count) => readBound(register, count), COUNT),
        )
      },
    },
    {
      name: 'register write, bound',
      unit: 'ns',
      measure(context) {
        const { registers, fd } = createRegisters(WINDOW)
        const address = reference.mapShared(fd, WINDOW, 0)
        const register = registers.register32(0x40)
        return pair(
          context,
          nanosecondsPerOperation((count) => reference.writeRegister(address + 0x40, count), COUNT),
          nanosecondsPerOperation((count) => writeBound(register, count), COUNT),
        )
      },
    },
    checkedReadRow('register read, checked', reference),
    {
      name: 'register write, checked',
      unit: 'ns',
      measure(context) {
        const { registers, fd } = createRegisters(WINDOW)
        const address = reference.mapShared(fd, WINDOW, 0)
        return pair(
          context,
          nanosecondsPerOperation((count) => reference.writeWindow(address, WINDOW, count), COUNT),
          nanosecondsPerOperation((count) => writeChecked(registers, count), COUNT),
        )
      },
    },
  ]
}

/** Reads of a window's registers in turn, under a name of its own. */
export function checkedReadRow(name: string, reference: Reference): Row {
  return {
    name,
    unit: 'ns',
    measure(context) {
      const { registers, fd } = createRegisters(WINDOW)
      const address = reference.mapShared(fd, WINDOW, 0)
      return pair(
        context,
        nanosecondsPerOperation((count) => reference.readWindow(address, WINDOW, count), COUNT),
        nanosecondsPerOperation((count) => readChecked(registers, count), COUNT),
      )
    },
  }
}

function readBound(register: BoundRegister, count: number): number {
  let sum = 0
  for (let index = 0; index < count; index++) sum = (sum + register.read()) | 0
  return sum
}

function writeBound(register: BoundRegister, count: number): void {
  for (let index = 0; index < count; index++) register.write(index)
}

function readChecked(registers: IoRegion, count: number): number {
  let sum = 0
  for (let index = 0; index < count; index++) sum = (sum + registers.read32((index << 2) & (WINDOW - 4))) | 0
  return sum
}

function writeChecked(registers: IoRegion, count: number): void {
  for (let index = 0; index < count; index++) registers.write32((index << 2) & (WINDOW - 4), index)
}
