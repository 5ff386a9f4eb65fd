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

/** struct vfio_iommu_type1_dma_map */
export function encodeDmaMap(flags: number, address: number, iova: bigint, byteLength: number): Uint8Array {
  const view = structure(32)
  view.setUint32(4, flags, true)
  view.setBigUint64(8, BigInt(address), true)
  view.setBigUint64(16, iova, true)
  view.setBigUint64(24, BigInt(byteLength), true)
  return bytesOf(view)
}

/** struct vfio_iommu_type1_dma_unmap: the kernel writes back the bytes it unmapped, at offset 16. */
export function encodeDmaUnmap(iova: bigint, byteLength: number): DataView {
  const view = structure(24)
  view.setBigUint64(8, iova, true)
  view.setBigUint64(16, BigInt(byteLength), true)
  return view
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
