import { DmaError } from '@linux-dma/native'
import { milliseconds } from '../coherence/known-mapping'
import { disturbanceKinds, tellDisturbance } from '../disturb/kinds'
import type { FakeMachine } from '../machine'

/** Kinds that are told of. */
const mostTold = 10

/** What disturbances did, where they did something: what a test that failed may have failed by, and nobody else tells of. */
export function disturbancesOf({ log }: FakeMachine): DmaError[] {
  const kinds = disturbanceKinds(log)
  if (kinds.length === 0) return []
  const told = kinds.slice(0, mostTold).map((kind) => `disturbed: ${tellDisturbance(kind, milliseconds)}`)
  if (kinds.length > mostTold) told.push(`and ${kinds.length - mostTold} kinds more`)
  return [new DmaError('DMA_DISTURBED', `the test had its devices disturbed:\n  ${told.join('\n  ')}`)]
}
