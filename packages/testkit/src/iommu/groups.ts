import type { FileSystem } from '../fs/file-system'
import { textFile } from '../fs/nodes'
import type { KernelDma } from './kernel-dma'

interface Group {
  readonly dma: KernelDma
  readonly members: Set<string>
}

const directoryOf = (group: number) => `/sys/kernel/iommu_groups/${group}`

/** The IOMMU's groups: devices that it cannot tell apart, which have one address space, as sysfs shows them. */
export class IommuGroups {
  readonly #fs: FileSystem
  readonly #type: string
  readonly #makeDma: () => KernelDma
  readonly #groups = new Map<number, Group>()

  /** `type`: how the IOMMU treats devices whose drivers are the kernel's own; `makeDma` makes what they allocate from. */
  constructor(fs: FileSystem, type: 'DMA-FQ' | 'identity', makeDma: () => KernelDma) {
    this.#fs = fs
    this.#type = type
    this.#makeDma = makeDma
  }

  /** The lowest number, from 1 on, of a group that nothing is in. */
  free(): number {
    let group = 1
    while (this.#groups.has(group)) group++
    return group
  }

  /** The address space of a group, for a device that is about to join: a new one where nothing is in the group. */
  dmaOf(group: number): KernelDma {
    return this.#groups.get(group)?.dma ?? this.#makeDma()
  }

  /** A device joins a group, with what `dmaOf` gave for it. */
  join(group: number, dma: KernelDma, name: string, directory: string): void {
    const path = directoryOf(group)
    const { members } = this.#groups.get(group) ?? this.#make(group, dma)
    members.add(name)
    this.#fs.link(`${path}/devices/${name}`, directory)
    this.#fs.link(`${directory}/iommu_group`, path)
  }

  /** A device leaves; the last one takes its group with it. */
  leave(group: number, name: string): void {
    const members = this.#groups.get(group)?.members
    members?.delete(name)
    this.#fs.remove(`${directoryOf(group)}/devices/${name}`)
    if (members?.size !== 0) return
    this.#groups.delete(group)
    this.#fs.remove(directoryOf(group))
  }

  #make(group: number, dma: KernelDma): Group {
    const path = directoryOf(group)
    const made = { dma, members: new Set<string>() }
    this.#groups.set(group, made)
    this.#fs.put(
      `${path}/type`,
      textFile(() => `${this.#type}\n`),
    )
    this.#fs.put(
      `${path}/reserved_regions`,
      textFile(() => '0x00000000fee00000 0x00000000feefffff msi\n'),
    )
    return made
  }
}
