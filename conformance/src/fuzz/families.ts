import type { MachineKind } from '../suite'
import { edu } from './families/edu'
import { memfd } from './families/memfd'
import { sockets } from './families/sockets'
import { udmabuf } from './families/udmabuf'
import { uio } from './families/uio'
import { vfio } from './families/vfio'
import type { AnyFamily } from './family'

/** What there is to fuzz. */
export const families: readonly AnyFamily[] = [memfd, sockets, udmabuf, vfio, edu, uio]

/** @throws where there is none of that name */
export function findFamily(name: string): AnyFamily {
  const family = families.find((candidate) => candidate.name === name)
  if (family) return family
  throw new Error(`'${name}' is none of ${families.map((candidate) => candidate.name).join(', ')}`)
}

/** The families that need a machine of this kind. */
export function familiesOf(kind: MachineKind): AnyFamily[] {
  return families.filter((family) => family.machineKind === kind)
}
