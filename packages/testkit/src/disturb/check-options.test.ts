import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { createFakeMachine } from '../machine'
import type { DisturbanceOptions } from './options'

const refused: readonly (readonly [string, object, RegExp])[] = [
  ['nothing', {}, /nothing is said to be disturbed.*/],
  ['no object', null as never, /nothing is said/],
  ['two things', { interrupt: 'lost', dmaWrite: 'lost' }, /both 'interrupt' and 'dmaWrite'/],
  ['a kind that is not known', { interrupt: 'early' }, /interrupt 'early' is not known/],
  ['a name of every object', { interrupt: 'toString' }, /'toString' is not known/],
  ['a misspelled option', { interrupt: 'lost', nht: 3 }, /has no option 'nht'/],
  ['an option of another kind', { interrupt: 'lost', byMilliseconds: 3 }, /no option 'byMilliseconds'/],
  ['two ways to choose', { interrupt: 'lost', nth: 3, every: 2 }, /both nth and every/],
  ['nth 0', { interrupt: 'lost', nth: 0 }, /nth is 0/],
  ['every 1.5', { interrupt: 'lost', every: 1.5 }, /every is 1.5/],
  ['a probability above 1', { interrupt: 'lost', probability: 1.1 }, /probability is 1.1/],
  ['a probability that is none', { interrupt: 'lost', probability: Number.NaN }, /probability is NaN/],
  ['a seed of a float', { interrupt: 'lost', seed: -1 }, /seed is -1/],
  ['a window in the past', { interrupt: 'lost', afterMilliseconds: -1 }, /afterMilliseconds is -1/],
  ['no time at all', { interrupt: 'lost', forMilliseconds: 0 }, /forMilliseconds is 0/],
  ['late by nothing said', { interrupt: 'late' }, /needs byMilliseconds/],
  ['late by 0', { interrupt: 'late', byMilliseconds: 0 }, /byMilliseconds is 0/],
  ['one that becomes one', { interrupt: 'coalesced', interrupts: 1 }, /interrupts is 1/],
  ['a vector that is none', { interrupt: 'lost', vector: 2048 }, /vector is 2048/],
  [
    'spurious ones without a pause',
    { interrupt: 'spurious', everyMilliseconds: 0 },
    /everyMilliseconds is 0/,
  ],
  ['spurious ones that are chosen', { interrupt: 'spurious', nth: 1 }, /no option 'nth'/],
  ['past its end by 0', { dmaWrite: 'past', byteLength: 0 }, /byteLength is 0/],
  ['past its end by nothing said', { dmaWrite: 'past' }, /needs byteLength/],
  ['misplaced by 0', { dmaWrite: 'misplaced', byteOffset: 0 }, /byteOffset is 0/],
  ['a size that is none', { dmaWrite: 'lost', minimumByteLength: -1 }, /minimumByteLength is -1/],
  ['a late read', { dmaRead: 'late', byMilliseconds: 1 }, /dmaRead 'late' is not known/],
  ['a register somewhere', { register: 'late', reads: 1 }, /needs byteOffset/],
  ['no stuck bit', { register: 'stuck', byteOffset: 0, bits: 0, level: 1 }, /bits is 0/],
  ['a half level', { register: 'stuck', byteOffset: 0, bits: 1, level: 0.5 }, /level is 0.5/],
  ['a BAR that is none', { register: 'ones', bar: 6 }, /bar is 6/],
  ['a link that comes back', { link: 'down', comesBack: 'maybe' }, /comesBack is maybe/],
  ['a removal for a while', { link: 'removed', forMilliseconds: 3 }, /no option 'forMilliseconds'/],
]

describe('machine.disturb()', () => {
  it.each(refused)('refuses %s', (_, options, message) => {
    const machine = createFakeMachine()
    const device = machine.addDevice(new PlainDevice())
    const disturb = () => machine.disturb(device, options as DisturbanceOptions)
    expect(disturb).toThrow(expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }))
    expect(disturb).toThrow(message)
    expect(machine.log).toEqual([])
  })

  it('refuses a device that is not plugged in, in another machine, or pulled out', () => {
    const machine = createFakeMachine()
    const model = new PlainDevice()
    const disturb = () => outcome(() => machine.disturb(model, { interrupt: 'lost' }))
    expect(disturb()).toBe('DMA_INVALID_ARGUMENT')
    const other = createFakeMachine()
    other.addDevice(model)
    expect(outcome(() => machine.addDevice(model))).toBe('DMA_ALREADY_ATTACHED')
    expect(disturb()).toBe('DMA_INVALID_ARGUMENT')
    other.removeDevice(model)
    expect(outcome(() => other.disturb(model, { interrupt: 'lost' }))).toBe('DMA_INVALID_ARGUMENT')
  })

  it('keeps a copy of what it was told', () => {
    const machine = createFakeMachine()
    const options = { register: 'ones', byteOffset: 4, nth: 1 } as { register: 'ones'; byteOffset: number }
    const disturbance = machine.disturb(machine.addDevice(new PlainDevice()), options)
    options.byteOffset = 0
    expect(disturbance).toMatchObject({ count: 0, hits: [] })
  })
})
