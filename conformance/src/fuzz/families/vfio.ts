import type { Family, Step } from '../family'
import { vfioAccess } from './vfio-access'
import { vfioContainer } from './vfio-container'
import { vfioDevice } from './vfio-device'
import { vfioFiles } from './vfio-files'
import { closeVfioWorld, type VfioWorld, vfioWorld } from './vfio-world'

const container = { of: 'container', index: 1 }
const group = { of: 'group', index: 1 }
/** A page at the address of the same number. */
const page = (index: number) => ({ from: 'low', page: index, off: 0 })
const map = (container: object, index: number): Step => [
  'map',
  {
    ...{ container, argsz: 32, flags: 3, memory: { of: 'memory', page: index, off: 0 } },
    ...{ address: page(index), size: { pages: 2, off: 0 } },
  },
]
const irq = (index: number): Step => [
  'setIrqs',
  {
    ...{
      device: { of: 'device', index: 0 },
      index,
      data: 4,
      action: 32,
      start: 0,
      count: 1,
      more: 0,
      bits: 0,
    },
    entries: Array.from({ length: 5 }, () => ({ of: 'eventfd', index: 0 })),
  },
]

const beginnings: Step[][] = [
  // The second device, in a container of its own.
  [
    ['openGroup', { group: 1 }],
    ['openContainer', {}],
    ['setContainer', { group, container }],
    ['setIommu', { container, type: 3 }],
    ['getDevice', { group, name: 1 }],
    map(container, 0),
  ],
  [map({ of: 'container', index: 0 }, 0), map({ of: 'container', index: 0 }, 8), irq(1)],
  [irq(0)],
]

/** Containers, groups and devices by bare system calls: who may do what in which order, and what is mapped. */
export const vfio: Family<VfioWorld> = {
  name: 'vfio',
  machineKind: 'iommu',
  longest: 200,
  setUp: vfioWorld,
  tearDown: closeVfioWorld,
  operations: { ...vfioFiles, ...vfioContainer, ...vfioDevice, ...vfioAccess },
  beginnings,
  refused: { reset: 'neither device can be reset by itself' },
}
