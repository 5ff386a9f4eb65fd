import type { DmaErrors } from '../dma-errors'
import { physicalPath } from '../iommu/physical-path'
import type { CheckedOptions } from '../machine-options'
import type { FrameAllocator } from '../memory/frames'
import { createRandom } from '../prng'
import { MachineCaches } from './machine-caches'

/** Keeps the caches' random numbers apart from those of the machine: by a step that its own never take. */
const otherStream = 0x5bd1e995

/** The caches of a machine; undefined where devices look into them. */
export function makeCaches(
  { coherence, cacheLineSize, seed }: CheckedOptions,
  parts: {
    readonly clock: { now(): number }
    readonly frames: FrameAllocator
    readonly dmaErrors: DmaErrors | undefined
  },
): MachineCaches | undefined {
  if (coherence !== 'write-back') return undefined
  const { clock, frames, dmaErrors } = parts
  return new MachineCaches({
    lineSize: cacheLineSize,
    clock,
    random: createRandom((seed ^ otherStream) >>> 0),
    physicalPath: physicalPath(frames),
    checker: () => dmaErrors?.checker,
    onReport: (makeReport) => dmaErrors?.note(makeReport),
  })
}
