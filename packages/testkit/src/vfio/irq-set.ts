import { fail } from '../errors'
import type { UserMemory } from '../kernel/user-memory'
import {
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_NUM_IRQS,
} from './abi'
import type { IrqSet } from './interrupts'

const headerBytes = 20
const dataTypes = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD
const actions = VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER

/** Reads and checks a `struct vfio_irq_set`. `available` says how many vectors an index has. */
export function readIrqSet(
  argument: UserMemory,
  available: (index: number) => number,
): { set: IrqSet; action: number } {
  const { view, argsz } = argument.sized(headerBytes)
  const flags = view.getUint32(4, true)
  const index = view.getUint32(8, true)
  const start = view.getUint32(12, true)
  const count = view.getUint32(16, true)
  if (index >= VFIO_PCI_NUM_IRQS) fail('EINVAL', `no interrupt index ${index}`)
  if ((flags & ~(dataTypes | actions)) !== 0) fail('EINVAL', `flags 0x${flags.toString(16)} has unknown bits`)
  const vectors = available(index)
  if (start >= vectors || start + count > vectors) {
    fail('EINVAL', `vectors ${start} to ${start + count}: index ${index} has ${vectors}`)
  }
  const data = readData(argument, flags & dataTypes, argsz, count)
  return { set: { index, start, count, data }, action: flags & actions }
}

function readData(argument: UserMemory, type: number, argsz: number, count: number): IrqSet['data'] {
  if (type === VFIO_IRQ_SET_DATA_NONE) return { kind: 'none' }
  const itemBytes = type === VFIO_IRQ_SET_DATA_BOOL ? 1 : type === VFIO_IRQ_SET_DATA_EVENTFD ? 4 : 0
  if (itemBytes === 0) return fail('EINVAL', 'flags has to give exactly one type of data')
  if (argsz - headerBytes < count * itemBytes)
    fail('EINVAL', `argsz ${argsz} has no room for ${count} entries`)
  const view = argument.view(headerBytes + count * itemBytes)
  const offsets = Array.from({ length: count }, (_, index) => headerBytes + index * itemBytes)
  if (itemBytes === 1) return { kind: 'bool', flags: offsets.map((offset) => view.getUint8(offset) !== 0) }
  return { kind: 'eventfd', descriptors: offsets.map((offset) => view.getInt32(offset, true)) }
}
