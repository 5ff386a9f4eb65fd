/**
 * The mistakes that the checker knows, by number: those of the kernel's CONFIG_DMA_API_DEBUG, in the order in which it looks for
 * them, and some that it does not look for.
 */
export const DmaMisuse = {
  /** Mapped: memory that is closed, or that is no memory a device can have. */
  MapInvalid: 1,
  /** Mapped: memory without a stable place, a resizable or detached ArrayBuffer. */
  MapUnstable: 2,
  /** Mapped: memory of JavaScript's own heap, which moves as a stack is reused. */
  MapHeap: 3,
  /** Mapped for the device to write: a view through which memory can only be read. */
  MapReadOnly: 4,
  /** Mapped: shares a cache line with a live mapping that a device may write. */
  MapOverlap: 5,
  /** Mapped: more than seven such mappings share a cache line. */
  MapManyOverlaps: 6,
  /** Mapped table: a segment is longer than the device takes. */
  SegmentTooLong: 7,
  /** Mapped table: a segment crosses the device's boundary. */
  SegmentCrosses: 8,
  /** Mapped as another device's registers: memory. */
  ResourceIsMemory: 9,
  /** Unmapped: nobody looked whether the mapping had failed. It cannot happen: a failure throws. */
  ErrorUnchecked: 10,
  /** Unmapped: all ones, which is what a failed mapping has for an address. */
  UnmapError: 11,
  /** Unmapped or freed: nothing is mapped there. */
  UnmapUnknown: 12,
  /** Unmapped or freed: another size than was mapped. */
  UnmapSize: 13,
  /** Unmapped or freed: by another family's function. */
  UnmapFamily: 14,
  /** Freed: other bytes than were allocated. */
  FreeBytes: 15,
  /** Unmapped table: another count of entries. */
  UnmapEntries: 16,
  /** Unmapped: another direction. */
  UnmapDirection: 17,
  /** Synced: nothing is mapped there. */
  SyncUnknown: 18,
  /** Synced: bytes beyond the mapping. */
  SyncRange: 19,
  /** Synced: another direction. */
  SyncDirection: 20,
  /** Synced for the CPU as something that the device wrote: the device only reads it. */
  SyncCpuReadOnly: 21,
  /** Synced for the device as something that the CPU wrote: the device only writes it. */
  SyncDeviceWriteOnly: 22,
  /** Synced table: another count of entries. */
  SyncEntries: 23,
  /** The device, or what was mapped for it, was closed with mappings left. */
  ClosePending: 24,
  /** The CPU wrote bytes that the device owned. Looked for with `contents: true`; no class of the kernel's. */
  CpuWrote: 25,
  /** The device reached for bytes whose mapping had ended. 26 to 30 are seen where devices are fakes; no classes of the kernel's. */
  DeviceLate: 26,
  /** The device went past the end of a mapping. */
  DevicePastEnd: 27,
  /** The device wrote to a mapping that it was to read, or read one that it was to write. */
  DeviceDirection: 28,
  /** The device read bytes of a copy that the CPU has changed since the last sync. */
  DeviceStale: 29,
  /** The device reached for an address that has more bits than it drives. */
  DeviceOutOfReach: 30,
} as const

/** One of the values of {@link DmaMisuse}. */
export type DmaMisuse = (typeof DmaMisuse)[keyof typeof DmaMisuse]

/** Each in a few words, as reports have it. */
export const misuseText: Readonly<Record<DmaMisuse, string>> = {
  1: 'map of memory that no device can have',
  2: 'map of memory without a stable place',
  3: 'map of JavaScript heap memory',
  4: 'map of read-only memory for the device to write',
  5: 'map that overlaps a live mapping',
  6: 'map with too many others on one cache line',
  7: 'map of a segment that is longer than the device takes',
  8: 'map of a segment across the device’s boundary',
  9: 'map of memory as a device’s registers',
  10: 'unmap of what nobody looked at for failure',
  11: 'unmap of the address of a failed mapping',
  12: 'unmap of what is not mapped',
  13: 'unmap with another size',
  14: 'unmap by another family’s function',
  15: 'free of other bytes than were allocated',
  16: 'unmap of a table with another count of entries',
  17: 'unmap with another direction',
  18: 'sync of what is not mapped',
  19: 'sync beyond the mapping',
  20: 'sync with another direction',
  21: 'sync for the CPU of what the device only reads',
  22: 'sync for the device of what the device only writes',
  23: 'sync of a table with another count of entries',
  24: 'close of a device, or of its memory, with mappings left',
  25: 'write by the CPU to what the device owns',
  26: 'access by the device after the unmap',
  27: 'access by the device past the end of a mapping',
  28: 'access by the device against the direction of a mapping',
  29: 'read by the device of what the CPU wrote and did not sync',
  30: 'access by the device beyond the addresses that it can reach',
}
