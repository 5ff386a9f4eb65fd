import type { FrameAllocator } from '../memory/frames'
import { pageSize } from '../memory/storage'
import type { FakeProcess } from '../process'
import type { FileSystem } from './file-system'
import { textFile } from './nodes'

/** A range of physical addresses and what it is. */
export interface PhysicalRange {
  readonly start: number
  readonly byteLength: number
  readonly name: string
}

/** Puts `/proc/iomem` in place: memory and registers by physical address, all of them 0 without CAP_SYS_ADMIN. */
export function mountIomem(
  fs: FileSystem,
  process: FakeProcess,
  frames: FrameAllocator,
  registers: () => readonly PhysicalRange[],
): void {
  fs.put(
    '/proc/iomem',
    textFile(() => {
      const visible = process.has('CAP_SYS_ADMIN')
      const digits = (address: number) => (visible ? address : 0).toString(16).padStart(8, '0')
      return [...memoryOf(frames), ...registers()]
        .sort((a, b) => a.start - b.start)
        .map((range) => {
          return `${digits(range.start)}-${digits(range.start + range.byteLength - 1)} : ${range.name}\n`
        })
        .join('')
    }),
  )
}

/** The memory below 4 GiB, and that above. */
function memoryOf({ lowMemory, lowestFrame, endFrame }: FrameAllocator): PhysicalRange[] {
  const ram = (first: number, end: number) => {
    return { start: first * pageSize, byteLength: (end - first) * pageSize, name: 'System RAM' }
  }
  return [ram(lowMemory.lowestFrame, lowMemory.endFrame), ram(lowestFrame, endFrame)]
}
