/** Encoders and decoders of the structures in linux/vfio.h: bytes in, plain objects out, and back. */

/** An inclusive range of IO virtual addresses. */
export interface IovaRange {
  readonly first: bigint
  readonly last: bigint
}

/** What VFIO_IOMMU_GET_INFO tells. */
export interface IommuInfo {
  /** Page sizes the IOMMU takes, one bit each. */
  readonly pageSizes: bigint
  /** Where mappings may lie; empty where the kernel does not say. */
  readonly iovaRanges: readonly IovaRange[]
  /** Mappings that are still to be had, where the kernel says. */
  readonly mappingsAvailable: number | undefined
}

/** What VFIO_DEVICE_GET_REGION_INFO tells. */
export interface RegionInfo {
  readonly index: number
  readonly flags: number
  readonly byteLength: number
  /** Where the region begins in the device's descriptor. */
  readonly position: number
  /** Whether only parts of the region can be mapped. */
  readonly sparse: boolean
}

/** What VFIO_DEVICE_GET_IRQ_INFO tells. */
export interface IrqInfo {
  readonly index: number
  readonly flags: number
  readonly count: number
}

/** A zeroed structure whose first field is its own size, as most VFIO structures begin. */
export function structure(byteLength: number): DataView {
  const view = new DataView(new ArrayBuffer(byteLength))
  view.setUint32(0, byteLength, true)
  return view
}

/** The bytes behind a view, to pass to ioctl. */
export function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer)
}

/** Walks a chain of `vfio_info_cap_header` that starts `first` bytes into the structure. */
export function* capabilities(view: DataView, first: number): Generator<{ id: number; offset: number }> {
  const seen = new Set<number>()
  let offset = first
  while (offset !== 0 && offset + 8 <= view.byteLength && !seen.has(offset)) {
    seen.add(offset)
    yield { id: view.getUint16(offset, true), offset }
    offset = view.getUint32(offset + 4, true)
  }
}

/** Stores an address or length below 2^53, without a bigint: this runs at every map and unmap. */
function setUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true)
  view.setUint32(offset + 4, value / 0x1_0000_0000, true)
}

/** struct vfio_iommu_type1_dma_map, to be filled in again for each call. */
export class DmaMapArgument {
  readonly #view = structure(32)
  readonly bytes = bytesOf(this.#view)

  fill(flags: number, address: number, iova: number, byteLength: number): Uint8Array {
    this.#view.setUint32(4, flags, true)
    setUint64(this.#view, 8, address)
    setUint64(this.#view, 16, iova)
    setUint64(this.#view, 24, byteLength)
    return this.bytes
  }
}

/** struct vfio_iommu_type1_dma_unmap, to be filled in again for each call. */
export class DmaUnmapArgument {
  readonly #view = structure(24)
  readonly bytes = bytesOf(this.#view)

  fill(iova: number, byteLength: number): Uint8Array {
    setUint64(this.#view, 8, iova)
    setUint64(this.#view, 16, byteLength)
    return this.bytes
  }

  /** The bytes that the kernel says it unmapped. */
  get unmapped(): number {
    return this.#view.getUint32(20, true) * 0x1_0000_0000 + this.#view.getUint32(16, true)
  }
}

/** struct vfio_irq_set, with one descriptor (or -1 for none) for each vector. */
export function encodeIrqSet(
  index: number,
  flags: number,
  vectors: readonly number[] | number,
  start = 0,
): Uint8Array {
  const descriptors = typeof vectors === 'number' ? [] : vectors
  const view = structure(20 + descriptors.length * 4)
  view.setUint32(4, flags, true)
  view.setUint32(8, index, true)
  view.setUint32(12, start, true)
  view.setUint32(16, typeof vectors === 'number' ? vectors : vectors.length, true)
  descriptors.forEach((fd, i) => {
    view.setInt32(20 + i * 4, fd, true)
  })
  return bytesOf(view)
}
