import type { DeviceDescription } from '../define/description'
import { defineStruct } from '../define/struct-layout'

/** Causes of an interrupt: bits of the registers `interruptStatus` and `interruptEnable`. */
export const captureCause = { frame: 0x1, overrun: 0x2, stopped: 0x4, fault: 0x8 } as const

/** What becomes of a buffer: bits of its descriptor's status. */
export const captureStatus = { done: 0x1, truncated: 0x2, fault: 0x4 } as const

/** A descriptor: where a buffer is, and what the card writes back. */
export const captureDescriptor = defineStruct({
  byteLength: 32,
  fields: {
    address: { offset: 0, width: 64 },
    byteLength: { offset: 8, width: 32 },
    status: { offset: 12, width: 32 },
    filled: { offset: 16, width: 32 },
    sequence: { offset: 20, width: 32 },
    timestamp: { offset: 24, width: 64 },
  },
})

/** The card, as its data sheet would have it. */
export const captureCardDescription = {
  name: 'capture card',
  identity: { vendor: 0x1234, device: 0x0ca9, classCode: 0x040000 },
  interrupts: { msi: 1 },
  bars: [
    {
      byteLength: 0x1000,
      registers: {
        id: { offset: 0x00, width: 32, access: 'ro', reset: 0xca97_0001 },
        control: { offset: 0x04, width: 32, fields: { run: 0 } },
        status: { offset: 0x08, width: 32, access: 'ro', fields: { running: 0, signal: 1 } },
        frameBytes: { offset: 0x0c, width: 32, access: 'ro' },
        frameNanoseconds: { offset: 0x10, width: 32, access: 'ro' },
        coalesce: { offset: 0x14, width: 32, reset: 1 },
        coalesceMicroseconds: { offset: 0x18, width: 32 },
        ringBase: { offset: 0x20, width: 64 },
        ringEntries: { offset: 0x28, width: 32 },
        ringTail: { offset: 0x2c, width: 32 },
        ringHead: { offset: 0x30, width: 32, access: 'ro' },
        sequence: { offset: 0x38, width: 32, access: 'ro' },
        captured: { offset: 0x3c, width: 32, access: 'rc' },
        overruns: { offset: 0x40, width: 32, access: 'rc' },
        interruptStatus: { offset: 0x50, width: 32, access: 'w1c' },
        interruptEnable: { offset: 0x54, width: 32 },
      },
    },
  ],
} as const satisfies DeviceDescription
