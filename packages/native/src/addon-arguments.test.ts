import { describe, expect, it } from 'vitest'
import { loadFaultyAddon } from '../test-support/faults'
import { POLLIN } from './constants'
import { createLinuxKernel } from './linux-kernel'

const addon = loadFaultyAddon()
const kernel = createLinuxKernel(addon)
const PAGE = kernel.pageSize

describe('the raw addon', () => {
  it('survives every kind of wrong argument', () => {
    const junk = [
      undefined,
      null,
      true,
      -1,
      0,
      1,
      2 ** 31,
      2 ** 53,
      NaN,
      Infinity,
      0.5,
      1n,
      '',
      'x'.repeat(5000),
      {},
      [],
      () => {},
      Symbol('x'),
      new Uint8Array(0),
      new Uint8Array(8),
      new ArrayBuffer(8),
      new Proxy({}, {}),
      Object.create(null),
      new DataView(new ArrayBuffer(8)),
      new Float64Array(2),
      addon,
    ]
    const {
      close: _close,
      injectFault: _inject,
      clearFaults: _clear,
      callCounts: _counts,
      adopt: _adopt,
      ...functions
    } = addon as unknown as Record<string, (...values: unknown[]) => unknown>
    const makers = [
      'eventfd',
      'memfd',
      'open',
      'duplicate',
      'pidfdOpen',
      'pidfdGetfd',
      'listen',
      'connect',
      'accept',
    ]
    const before = kernel.live()
    let calls = 0
    for (const [name, call] of Object.entries(functions)) {
      if (typeof call !== 'function') continue
      for (const first of junk) {
        // Descriptors 0 to 2 are this process's own.
        if (first === 0 || first === 1) continue
        for (const second of junk) {
          for (const third of [undefined, 0, new Uint8Array(8), {}]) {
            calls++
            try {
              const result = call(first, second, third, false)
              if (makers.includes(name)) addon.close(result as number)
              if (name === 'socketPair') for (const fd of result as number[]) addon.close(fd)
            } catch (error) {
              expect(error).toBeInstanceOf(Error)
            }
          }
        }
      }
    }
    expect(calls).toBeGreaterThan(50_000)
    expect(kernel.live()).toEqual(before)
  }, 60_000)

  it('takes no other object for a handle', () => {
    const fd = kernel.eventfd()
    const watch = addon.watch(fd, 8, POLLIN, () => {})
    const memory = kernel.memfd('tagged', { byteLength: PAGE })
    const mapping = addon.map(memory, PAGE, 0, true)
    for (const bad of [watch, {}, Object.create(mapping), { ...mapping }, structuredClone({})]) {
      expect(() => addon.viewMapping(bad as typeof mapping)).toThrow('not a handle')
      expect(() => addon.closeMapping(bad as typeof mapping)).toThrow('not a handle')
    }
    expect(() => addon.closeWatch(mapping as unknown as typeof watch)).toThrow('not a handle')
    addon.closeWatch(watch)
    addon.closeMapping(mapping)
    kernel.close(fd)
    kernel.close(memory)
  })
})
