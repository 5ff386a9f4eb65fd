import { checkInteger } from '../arguments'
import { invalidArgument } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { textFile } from '../fs/nodes'
import type { PortSpace } from '../io/port-space'
import type { CoherentMemory } from '../iommu/kernel-dma'
import type { FrameAllocator } from '../memory/frames'
import { kernelAddress } from '../memory/kernel-address'
import { pageSize, type Storage } from '../memory/storage'
import { type PlatformDevice, type PlatformDriver, platformPath } from '../platform/device'
import type { UioDevice } from './device'
import { DmaSlot } from './flagged-offset'
import { loseMapped } from './freed-memory'
import type { UioInfo, UioMem } from './info'
import { coherentMap, registerMap, type UioMap } from './map'
import { uioParent } from './platform-drivers'
import type { UioClass } from './uio-class'

/** What a test's own UIO driver needs of its machine. */
export interface CustomDriverParts {
  readonly uio: UioClass
  readonly fs: FileSystem
  readonly frames: FrameAllocator
  readonly ports: PortSpace
}

/** A map with what is to be given back when the driver goes. */
interface OwnMap {
  readonly map: UioMap
  readonly storage?: Storage
  readonly coherent?: CoherentMemory
  free(): void
}

/** Address bits of coherent memory: those of a platform device that nobody has said more about. */
const addressBits = 32

/** A UIO driver that a test wrote: the driver of one platform device, which can be unbound and bound again. */
export class CustomUioDriver implements PlatformDriver {
  readonly name: string
  readonly #info: UioInfo
  /** Models of `phys` maps, in the places of their maps. */
  readonly #models: readonly (PlatformDevice | undefined)[]
  readonly #parts: CustomDriverParts
  #uio: UioDevice | undefined
  #maps: OwnMap[] = []

  constructor(
    name: string,
    info: UioInfo,
    models: readonly (PlatformDevice | undefined)[],
    parts: CustomDriverParts,
  ) {
    this.name = name
    this.#info = info
    this.#models = models
    this.#parts = parts
    if (info.irq !== 'custom') return
    for (const model of models) {
      if (model !== undefined) model.sink = { lineAsserted: () => this.#uio?.notify() }
    }
  }

  /** The device, while the driver has one. */
  get uio(): UioDevice | undefined {
    return this.#uio
  }

  probe(device: PlatformDevice): void {
    const { name, version, mem = [], port = [], irq, irqcontrol, open, release } = this.#info
    try {
      for (const [index, one] of mem.entries()) this.#maps.push(this.#make(one, index, device))
      this.#uio = this.#parts.uio.register(uioParent(device), {
        name,
        version,
        maps: this.#maps.map(({ map }) => map),
        ports: port.map((one) => ({ ...one, name: one.name ?? '' })),
        hasInterrupt: irq === 'custom',
        ...(irqcontrol && { irqcontrol: (on: number) => irqcontrol.call(this.#info, on) }),
        ...(open && { open: () => open.call(this.#info) }),
        ...(release && { release: () => release.call(this.#info) }),
      })
    } catch (error) {
      this.#freeMaps()
      throw error
    }
    this.#offer(device)
  }

  remove(device: PlatformDevice): void {
    const { fs, ports } = this.#parts
    for (const name of Object.keys(this.#info.attributes ?? {})) {
      fs.remove(`${platformPath(device.address)}/${name}`)
    }
    ports.removeOf(this)
    this.unregister(device)
  }

  /** Takes the device from its programs, and frees what it offered. */
  unregister(device: PlatformDevice): void {
    if (this.#uio === undefined) return
    this.#parts.uio.unregister(this.#uio)
    this.#uio = undefined
    this.#maps.forEach(({ map }, index) => {
      const { content } = map
      // What is at a physical address is the machine's, and stays.
      if (map.kind !== 'phys' && map.kind !== 'iova' && content !== undefined && 'storage' in content) {
        loseMapped(content, `map ${index} '${map.name}'`, uioParent(device))
      }
    })
    this.#freeMaps()
  }

  /** The driver's own view of a map's memory. @throws `DMA_INVALID_ARGUMENT` */
  bytes(index: number): Uint8Array {
    const storage = this.#map(index).storage ?? invalidArgument(`map ${index} is no memory of the driver`)
    return storage.bytes(0, storage.byteLength)
  }

  /** Where the device finds a map's memory. @throws `DMA_INVALID_ARGUMENT` */
  dmaAddress(index: number): number {
    return (this.#map(index).coherent ?? invalidArgument(`map ${index} is no coherent memory`)).dmaAddress
  }

  #map(index: number): OwnMap {
    checkInteger(index, 'index of a map', 0)
    return this.#maps[index] ?? invalidArgument(`there is no map ${index}, or the device is unregistered`)
  }

  #offer(device: PlatformDevice): void {
    const { fs, ports } = this.#parts
    for (const [name, attribute] of Object.entries(this.#info.attributes ?? {})) {
      const read = attribute.show && (() => attribute.show!())
      const write = attribute.store && ((text: string) => attribute.store!(text))
      fs.put(`${platformPath(device.address)}/${name}`, textFile(read, write))
    }
    for (const port of this.#info.port ?? []) {
      const { start, size } = port
      const range = {
        start,
        size,
        read8: (at: number) => port.read?.(at) ?? 0xff,
        write8: (at: number, value: number) => port.write?.(at, value),
      }
      ports.add(range, this)
    }
  }

  #freeMaps(): void {
    for (const map of this.#maps) map.free()
    this.#maps = []
  }

  #make(mem: UioMem, index: number, device: PlatformDevice): OwnMap {
    const { name = '', byteLength, byteOffset = 0, memtype } = mem
    if (mem.dma) return { map: new DmaSlot(name, byteLength), free: () => {} }
    const model = this.#models[index]
    if (model !== undefined) {
      const place = { byteLength, address: model.bar(0)!.address }
      return { map: { ...registerMap(name, place, model.registers(0)), byteOffset }, free: () => {} }
    }
    if (memtype === 'dma-coherent') {
      const coherent = device.dma.allocateCoherent(byteLength, addressBits)
      const map = coherentMap({ name, byteLength, byteOffset }, coherent)
      return { map, coherent, storage: coherent.storage, free: () => coherent.free() }
    }
    return this.#memory(mem)
  }

  /** Memory that is no DMA memory: in one piece, but for what the kernel itself sees only as one. */
  #memory({ name = '', byteLength, byteOffset = 0, memtype }: UioMem): OwnMap {
    const { frames } = this.#parts
    const storage =
      memtype === 'virtual'
        ? frames.allocate(byteLength, undefined, () => {})
        : frames.allocateContiguous(byteLength, addressBits)
    storage.retain()
    const hasPages = memtype === 'logical' || memtype === 'virtual'
    const address = hasPages ? kernelAddress(storage) : BigInt(storage.firstFrame) * BigInt(pageSize)
    const map: UioMap = {
      name,
      kind: memtype,
      byteLength,
      byteOffset,
      address,
      content: { storage, hasPages, byFaults: hasPages },
    }
    return { map, storage, free: () => storage.release() }
  }
}
