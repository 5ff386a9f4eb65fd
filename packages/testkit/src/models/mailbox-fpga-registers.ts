import type { Behaviour, DeviceInside } from '../define/behaviour'
import type { DeviceDescription } from '../define/description'

/** Causes of an interrupt: bits of the registers `interruptStatus` and `interruptEnable`. */
export const mailboxCause = { done: 0x1, event: 0x2 } as const

/** Commands that every mailbox knows. */
export const mailboxCommand = { echo: 1, fromMemory: 2, toMemory: 3 } as const

/** What went wrong with a command: the field `error` of the status register. */
export const mailboxError = { unknownCommand: 1, fault: 2, range: 3, refused: 4 } as const

/** The FPGA, as its data sheet would have it, with registers in either order of bytes. */
function describe<const Endian extends 'little' | 'big'>(endian: Endian) {
  return {
    name: 'mailbox FPGA',
    identity: { vendor: 0x1234, device: 0xf96a },
    interrupts: { msi: 1 },
    bars: [
      {
        byteLength: 0x1000,
        endian,
        registers: {
          id: { offset: 0x00, width: 32, access: 'ro', reset: 0xf96a_0001 },
          status: { offset: 0x04, width: 32, access: 'ro', fields: { busy: 0, error: [8, 15] } },
          command: { offset: 0x08, width: 32 },
          doorbell: { offset: 0x0c, width: 32, access: 'wo' },
          argument: { offset: 0x10, width: 32, count: 4 },
          result: { offset: 0x20, width: 32, access: 'ro', count: 4 },
          bufferAddress: { offset: 0x30, width: 64 },
          bufferLength: { offset: 0x38, width: 32 },
          interruptStatus: { offset: 0x40, width: 32, access: 'w1c' },
          interruptEnable: { offset: 0x44, width: 32 },
        },
        windows: { memory: { offset: 0x800, byteLength: 0x800 } },
      },
    ],
  } as const satisfies DeviceDescription
}

export const littleMailbox = describe('little')
export const bigMailbox = describe('big')

export type MailboxInside = DeviceInside<typeof littleMailbox>
export type MailboxBehaviour<Side> = Behaviour<typeof littleMailbox, Side>
