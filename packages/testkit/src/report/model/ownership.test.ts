import { describe, expect, it } from 'vitest'
import { createRandom } from '../../prng'
import { type Owner, Ownership } from './ownership'

/** Ranges in words: `device 0..63 from 0 to 3`. */
function words(ownership: Ownership): string[] {
  return ownership.ranges
    .map(({ start, end, owner, from, to }) => `${owner} ${start}..${end - 1} from ${from} to ${to ?? 'now'}`)
    .sort()
}

describe('who owns which bytes', () => {
  it('is one owner of them all at first, and nobody in the end', () => {
    const ownership = new Ownership(128, 'device', 3)
    expect(words(ownership)).toEqual(['device 0..127 from 3 to now'])
    ownership.end(9)
    expect(words(ownership)).toEqual(['device 0..127 from 3 to 9'])
    expect(ownership.ownedBy('device', 0, 128)).toEqual([])
  })

  it('changes for a part: what was one range is three from then on', () => {
    const ownership = new Ownership(128, 'device', 0)
    ownership.hand(32, 64, 'cpu', 5)
    expect(words(ownership)).toEqual([
      'cpu 32..63 from 5 to now',
      'device 0..127 from 0 to 5',
      'device 0..31 from 5 to now',
      'device 64..127 from 5 to now',
    ])
    expect(ownership.ownedBy('device', 16, 80)).toEqual([
      { start: 16, end: 32 },
      { start: 64, end: 80 },
    ])
  })

  it('is one range again when all bytes have come back, and stays as it is for who has them already', () => {
    const ownership = new Ownership(128, 'device', 0)
    ownership.hand(0, 64, 'cpu', 1)
    ownership.hand(0, 64, 'cpu', 2)
    ownership.hand(0, 128, 'device', 3)
    expect(words(ownership)).toEqual([
      'cpu 0..63 from 1 to 3',
      'device 0..127 from 0 to 1',
      'device 0..127 from 3 to now',
      'device 64..127 from 1 to 3',
    ])
  })

  it('is that of each byte by itself, whatever is handed over', () => {
    const random = createRandom(7)
    const bytes: Owner[] = new Array(64).fill('device')
    const ownership = new Ownership(64, 'device', 0)
    const history: Owner[][] = [[...bytes]]
    for (let at = 1; at < 200; at++) {
      const start = random.integer(64)
      const end = start + 1 + random.integer(64 - start)
      const owner = random.integer(2) === 0 ? 'cpu' : 'device'
      bytes.fill(owner, start, end)
      history.push([...bytes])
      ownership.hand(start, end, owner, at)
    }
    for (const [at, expected] of history.entries()) {
      const found: (Owner | undefined)[] = new Array(64).fill(undefined)
      for (const range of ownership.ranges) {
        if (range.from > at || (range.to ?? Number.POSITIVE_INFINITY) <= at) continue
        // Nothing has two owners.
        expect(found.slice(range.start, range.end)).toEqual(
          new Array(range.end - range.start).fill(undefined),
        )
        found.fill(range.owner, range.start, range.end)
      }
      expect(found).toEqual(expected)
    }
  })
})
