import { expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { createFakeMachine } from '../machine'
import type { BarLayout } from '../models/device-model'

it('refuses BARs that no hardware has', () => {
  for (const bars of [
    [{ byteLength: 0x1800 }],
    [{ byteLength: 16 }],
    [{ byteLength: 0x1000, index: 6 }],
    [{ byteLength: 0x1000, index: 5, addressWidth: 64 }],
    [{ byteLength: 0x1000, addressWidth: 64 }, { byteLength: 0x1000 }],
    [
      { byteLength: 0x1000, index: 2 },
      { byteLength: 0x1000, index: 2 },
    ],
  ] as BarLayout[][]) {
    class Odd extends PlainDevice {
      override readonly bars = bars
    }
    expect(outcome(() => createFakeMachine().addDevice(new Odd()))).toBe('DMA_INVALID_ARGUMENT')
  }
})
