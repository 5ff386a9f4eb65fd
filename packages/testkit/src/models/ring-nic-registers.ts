import type { Behaviour, DeviceInside } from '../define/behaviour'
import type { DeviceDescription } from '../define/description'
import { defineStruct, type StructValuesOf } from '../define/struct-layout'

/** Causes of an interrupt: bits of the registers `interruptStatus` and `interruptEnable`. */
export const nicCause = { received: 0x1, sent: 0x2, link: 0x4, dropped: 0x8, fault: 0x10 } as const

/** What becomes of a buffer: bits of its descriptor's status. */
export const nicStatus = { done: 0x1, fault: 0x2 } as const

/** Of a descriptor's flags: its buffer is the last one of a frame. */
export const NIC_END_OF_FRAME = 0x1

/**
 * A descriptor of either ring. The driver gives address and length of a buffer, and for sending says which is the last of a
 * frame; the card writes back the status, and of what it received length and flags before.
 */
export const nicDescriptor = defineStruct({
  byteLength: 16,
  fields: {
    address: { offset: 0, width: 64 },
    byteLength: { offset: 8, width: 16 },
    flags: { offset: 10, width: 16 },
    status: { offset: 12, width: 32 },
  },
})

export type NicDescriptor = StructValuesOf<typeof nicDescriptor>

/** The card, as its data sheet would have it. */
export const ringNicDescription = {
  name: 'ring NIC',
  identity: { vendor: 0x1234, device: 0x0e7c, classCode: 0x020000 },
  interrupts: { msi: 1 },
  bars: [
    {
      byteLength: 0x1000,
      registers: {
        id: { offset: 0x00, width: 32, access: 'ro', reset: 0x0e7c_0001 },
        control: { offset: 0x04, width: 32, fields: { receive: 0, transmit: 1, loopback: 2 } },
        status: { offset: 0x08, width: 32, access: 'ro', fields: { link: 0, transmitting: 1 } },
        macLow: { offset: 0x10, width: 32, access: 'ro' },
        macHigh: { offset: 0x14, width: 32, access: 'ro' },
        receiveBase: { offset: 0x20, width: 64 },
        receiveEntries: { offset: 0x28, width: 32 },
        receiveTail: { offset: 0x2c, width: 32 },
        receiveHead: { offset: 0x30, width: 32, access: 'ro' },
        transmitBase: { offset: 0x40, width: 64 },
        transmitEntries: { offset: 0x48, width: 32 },
        transmitTail: { offset: 0x4c, width: 32 },
        transmitHead: { offset: 0x50, width: 32, access: 'ro' },
        framesReceived: { offset: 0x60, width: 32, access: 'rc' },
        framesSent: { offset: 0x64, width: 32, access: 'rc' },
        framesDropped: { offset: 0x68, width: 32, access: 'rc' },
        interruptStatus: { offset: 0x80, width: 32, access: 'w1c' },
        interruptEnable: { offset: 0x84, width: 32 },
      },
    },
  ],
} as const satisfies DeviceDescription

export type NicInside = DeviceInside<typeof ringNicDescription>
export type NicBehaviour<Side> = Behaviour<typeof ringNicDescription, Side>
