import type { DmaDevice } from '../device/dma-device'
import { dmaMapSingle } from '../mapping/streaming'
import type { StreamingMapping } from '../mapping/streaming-mapping'
import type { DmaMemory } from '../memory/memory'
import { DmaDirection } from '../vocabulary/direction'
import type { CopybreakWork } from './copybreak-crossover'

/** Buffers side by side in one piece of memory, and as many bytes to copy them to. */
export interface CopybreakBuffers {
  readonly memory: DmaMemory
  readonly count: number
  readonly byteLength: number
}

/** Copies out of mapped buffers, and maps them anew, each when its turn comes: what a receive ring does. */
export function copybreakWork(device: DmaDevice, buffers: CopybreakBuffers): CopybreakWork {
  const { memory, count, byteLength } = buffers
  const views = Array.from({ length: count }, (_, i) =>
    memory.bytes.subarray(i * byteLength, (i + 1) * byteLength),
  )
  const map = (view: Uint8Array): StreamingMapping => dmaMapSingle(device, view, DmaDirection.FromDevice)
  const mappings = views.map(map)
  const target = new Uint8Array(count * byteLength)
  let next = 0
  return {
    buffers: count,
    copy(copied, times) {
      for (let turn = 0; turn < times; turn++) {
        const mapping = mappings[next]!
        target.set(mapping.syncForCpu(0, copied), next * byteLength)
        mapping.syncForDevice(0, copied)
        next = next + 1 === count ? 0 : next + 1
      }
    },
    remap(times) {
      for (let turn = 0; turn < times; turn++) {
        mappings[next]!.unmap()
        mappings[next] = map(views[next]!)
        next = next + 1 === count ? 0 : next + 1
      }
    },
  }
}
