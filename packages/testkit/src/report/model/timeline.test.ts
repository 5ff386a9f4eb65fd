import { describe, expect, it } from 'vitest'
import { sampleTrace, staleRead } from '../../fixtures/sample-trace'
import { readTimeline } from './timeline'

const buffer = { mapping: 1, address: '0x1000', byteLength: 128 } as const
const mapped = { kind: 'map', ...buffer, time: 0, direction: 'from-device', family: 'single' } as const
const write = { kind: 'dma', access: 'write', time: 1 } as const

/** Problems in a line each. */
function problemsOf(events: Parameters<typeof sampleTrace>[0]): string[] {
  return readTimeline(sampleTrace(events)).problems.map(({ severity, title }) => `${severity}: ${title}`)
}

describe('what a trace tells of accesses that nothing refused', () => {
  it('has nothing against what the driver allowed for', () => {
    const coherent = { ...mapped, mapping: 2, address: '0x2000', family: 'coherent' } as const
    const events = [mapped, coherent, { ...write, ...buffer }, { ...write, address: '0x2000', byteLength: 4 }]
    expect(problemsOf(events)).toEqual([])
  })

  it('names the bytes that the CPU owned, and those only', () => {
    const sync = { kind: 'sync', for: 'cpu', mapping: 1, time: 1, address: '0x1020', byteLength: 32 } as const
    expect(problemsOf([mapped, sync, { ...write, address: '0x1000', byteLength: 48 }])).toEqual([
      'hazard: the device wrote bytes 32..47 of mapping 1 while the CPU owned them',
    ])
    const back = { ...sync, for: 'device', address: '0x1000', byteLength: 128 } as const
    expect(problemsOf([mapped, sync, back, { ...write, ...buffer }])).toEqual([])
  })

  it('sees what comes after the unmap, and what goes past the end', () => {
    const unmap = { kind: 'unmap', ...buffer, time: 1 } as const
    expect(problemsOf([mapped, unmap, { ...write, address: '0x1010', byteLength: 1 }])).toEqual([
      'hazard: the device wrote byte 16 of mapping 1 after its unmap',
    ])
    expect(problemsOf([mapped, { ...write, address: '0x1070', byteLength: 24 }])).toEqual([
      'hazard: the device wrote 8 bytes outside of mapping 1',
    ])
    expect(problemsOf([mapped, { ...write, address: '0x1080', byteLength: 16 }])).toEqual([
      'hazard: the device wrote 16 bytes right behind mapping 1',
    ])
  })

  it('says nothing of memory that it knows nothing of, or of another device', () => {
    const elsewhere = { ...write, address: '0x9000', byteLength: 4 }
    const other = { ...write, address: '0x1070', byteLength: 24, device: 'other' }
    expect(problemsOf([mapped, elsewhere, other])).toEqual([])
  })

  it('takes the tightest of mappings that lie in each other', () => {
    const inner = { ...mapped, mapping: 2, address: '0x1020', byteLength: 16 } as const
    const { touched } = readTimeline(
      sampleTrace([mapped, inner, { ...write, address: '0x1024', byteLength: 4 }]),
    )
    expect(touched[2]!.map(({ mapping }) => mapping)).toEqual([2])
  })
})

describe('lanes', () => {
  const unmap = { kind: 'unmap', ...buffer, time: 1 } as const
  const lanes = (events: Parameters<typeof sampleTrace>[0]) =>
    readTimeline(sampleTrace(events))
      .rows.filter(({ kind }) => kind === 'mapping')
      .map(({ mappings }) => mappings.map(({ mapping }) => mapping))

  it('have the mappings of one buffer that follow each other, and never two that are live', () => {
    const again = (mapping: number) => [
      { ...mapped, mapping },
      { ...unmap, mapping },
    ]
    expect(lanes([...again(1), ...again(2)])).toEqual([[1, 2]])
    expect(lanes([mapped, { ...mapped, mapping: 2 }, unmap, { ...mapped, mapping: 3 }])).toEqual([
      [1, 3],
      [2],
    ])
    expect(lanes([...again(1), { ...mapped, mapping: 2, direction: 'to-device' }])).toEqual([[1], [2]])
  })

  it('come after what else goes on at their device', () => {
    const { rows } = readTimeline(staleRead())
    expect(rows.map(({ kind }) => kind)).toEqual(['device', 'registers', 'interrupts', 'notes', 'mapping'])
  })

  it('of a mapping that began before the trace start with it', () => {
    const sync = {
      kind: 'sync',
      for: 'device',
      mapping: 9,
      time: 1,
      address: '0x1000',
      byteLength: 8,
    } as const
    const { mappings } = readTimeline(sampleTrace([sync, sync], { dropped: 3 }))
    const [history] = mappings
    expect([history!.from, history!.direction]).toEqual([0, undefined])
  })
})

describe('misuses', () => {
  it.each([
    ['of a device', '0000:00:04.0'],
    ['of nobody that is known', ''],
  ])('%s are in their place', (_, device) => {
    const misuse = {
      kind: 'misuse',
      time: 1,
      message: 'x',
      address: '0x1040',
      byteLength: 64,
      device,
    } as const
    const { problems, touched, rows } = readTimeline(sampleTrace([mapped, misuse]))
    expect(problems[0]!.place).toEqual({ start: 0x1040, end: 0x1080 })
    expect(touched[1]!.map(({ mapping }) => mapping)).toEqual([1])
    expect(new Set(rows.map(({ device }) => device)).size).toBe(1)
  })
})
