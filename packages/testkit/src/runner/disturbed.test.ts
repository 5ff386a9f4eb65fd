import { expect, it } from 'vitest'
import type { DisturbanceOptions } from '../disturb/options'
import { openDisturbed } from '../fixtures/disturbed-device'
import { findDisorder } from './check-machine'

function written(disturbance: DisturbanceOptions | readonly DisturbanceOptions[]) {
  const host = openDisturbed(disturbance)
  host.machine.clock.advance(1.2345678)
  for (const [offset, length] of [
    [0, 4],
    [64, 8],
    [128, 4],
  ] as const) {
    host.model.writeMemory(
      host.base + offset,
      Array.from({ length }, () => 1),
    )
  }
  host.memory.free()
  host.end()
  return host.machine
}

it('a test that failed says what was disturbed, a line for each kind', () => {
  const machine = written([
    { dmaWrite: 'lost', nth: 1 },
    { dmaWrite: 'short', byteLength: 1 },
  ])
  const [error, ...more] = findDisorder(machine, [new Error('mine')]) as Error[]
  expect(more).toEqual([])
  expect(error!.message.split('\n')).toEqual([
    'DMA_DISTURBED: the test had its devices disturbed:',
    expect.stringMatching(
      /^ {2}disturbed: DMA write of 4 bytes at 0x\w+ is lost \(0000:00:04\.0\), once, at 1\.\d{1,4} ms$/,
    ),
    expect.stringMatching(
      /^ {2}disturbed: DMA write of 8 bytes at 0x\w+ ends 1 bytes too early \(0000:00:04\.0\), 2 times, first at 1\.\d{1,4} ms$/,
    ),
  ])
})

it('a test that passed says nothing of it, nor one whose devices nothing happened to', () => {
  expect(findDisorder(written({ dmaWrite: 'lost' }))).toEqual([])
  const mine = [new Error('mine')]
  expect(findDisorder(written({ dmaWrite: 'lost', nth: 4 }), mine)).toEqual([])
})
