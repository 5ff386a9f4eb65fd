import type { Family } from '../family'
import { vfioAccess } from './vfio-access'
import { vfioContainer } from './vfio-container'
import { vfioDevice } from './vfio-device'
import { vfioFiles } from './vfio-files'
import { closeVfioWorld, type VfioWorld, vfioWorld } from './vfio-world'

/** Containers, groups and devices by bare system calls: who may do what in which order, and what is mapped. */
export const vfio: Family<VfioWorld> = {
  name: 'vfio',
  machineKind: 'iommu',
  longest: 200,
  setUp: vfioWorld,
  tearDown: closeVfioWorld,
  operations: { ...vfioFiles, ...vfioContainer, ...vfioDevice, ...vfioAccess },
}
