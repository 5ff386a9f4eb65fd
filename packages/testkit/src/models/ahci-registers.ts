import type { Behaviour, DeviceInside } from '../define/behaviour'
import type { DeviceDescription } from '../define/description'
import { defineStruct, type StructValuesOf } from '../define/struct-layout'

/** Ports of the controller. */
export const AHCI_PORTS = 6

/** Causes of a port's interrupt: bits of PxIS and PxIE. */
export const ahciCause = {
  deviceToHost: 0x1,
  pioSetup: 0x2,
  descriptor: 0x20,
  connect: 0x40,
  overflow: 0x0100_0000,
  interfaceFatal: 0x0800_0000,
  hostFatal: 0x2000_0000,
  taskFile: 0x4000_0000,
} as const

/** The kinds of frame information structures that are modelled. */
export const fisType = { registerHostToDevice: 0x27, registerDeviceToHost: 0x34, pioSetup: 0x5f } as const

/** Where a port puts what it receives, from PxFB on. */
export const receivedFis = { pioSetup: 0x20, deviceToHost: 0x40 } as const

/** A slot of the command list. Bits of `flags`: length of the FIS in words (0 to 4), write (6). */
export const commandHeader = defineStruct({
  byteLength: 32,
  fields: {
    flags: { offset: 0, width: 16 },
    prdtLength: { offset: 2, width: 16 },
    byteCount: { offset: 4, width: 32 },
    table: { offset: 8, width: 64 },
  },
})

export type CommandHeader = StructValuesOf<typeof commandHeader>

/** Where the regions begin in a command table. */
export const PRDT_AT = 0x80

/** A region of memory. Bits of `count`: bytes less one (0 to 21), interrupt (31). */
export const prdtEntry = defineStruct({
  byteLength: 16,
  fields: { address: { offset: 0, width: 64 }, count: { offset: 12, width: 32 } },
})

/** Every port has its registers 0x80 bytes after those of the one before. */
const ports = { count: AHCI_PORTS, stride: 0x80 } as const

/** Intel's ICH9 in AHCI mode, by the names of the specification (AHCI 1.3.1, chapter 3), as QEMU has it. */
export const ahciDescription = {
  name: 'AHCI',
  identity: {
    vendor: 0x8086,
    device: 0x2922,
    revision: 0x02,
    classCode: 0x010601,
    subsystemVendor: 0x1af4,
    subsystemDevice: 0x1100,
  },
  interrupts: { msi: 1 },
  resettable: false,
  bars: [
    { index: 4, kind: 'io', byteLength: 32 },
    {
      index: 5,
      byteLength: 0x1000,
      registers: {
        // 64-bit addresses, 32 slots, 1.5 Gb/s, AHCI only, six ports.
        CAP: { offset: 0x00, width: 32, access: 'ro', reset: 0x8014_1f05 },
        GHC: {
          offset: 0x04,
          width: 32,
          reset: 0x8000_0000,
          fields: { HR: { bits: 0, access: 'w1s' }, IE: 1, AE: { bits: 31, access: 'ro' } },
        },
        IS: { offset: 0x08, width: 32, access: 'w1c' },
        PI: { offset: 0x0c, width: 32, access: 'ro', reset: 0x3f },
        VS: { offset: 0x10, width: 32, access: 'ro', reset: 0x0001_0000 },
        // Command completion coalescing, enclosures, further capabilities: there are none.
        reserved: { offset: 0x14, width: 32, access: 'ro', count: 6 },
        PxCLB: { offset: 0x100, width: 64, ...ports },
        PxFB: { offset: 0x108, width: 64, ...ports },
        PxIS: { offset: 0x110, width: 32, access: 'w1c', ...ports },
        PxIE: {
          offset: 0x114,
          width: 32,
          fields: { fis: [0, 7], link: [22, 24], errors: [26, 31] },
          ...ports,
        },
        PxCMD: {
          offset: 0x118,
          width: 32,
          reset: 0x6,
          fields: {
            ST: 0,
            SUD: 1,
            POD: 2,
            FRE: 4,
            CCS: { bits: [8, 12], access: 'ro' },
            FR: { bits: 14, access: 'ro' },
            CR: { bits: 15, access: 'ro' },
          },
          ...ports,
        },
        PxTFD: { offset: 0x120, width: 32, access: 'ro', reset: 0x7f, ...ports },
        PxSIG: { offset: 0x124, width: 32, access: 'ro', reset: 0xffff_ffff, ...ports },
        PxSSTS: { offset: 0x128, width: 32, access: 'ro', ...ports },
        PxSCTL: { offset: 0x12c, width: 32, fields: { DET: [0, 3], SPD: [4, 7], IPM: [8, 11] }, ...ports },
        PxSERR: { offset: 0x130, width: 32, access: 'w1c', ...ports },
        PxSACT: { offset: 0x134, width: 32, access: 'ro', ...ports },
        PxCI: { offset: 0x138, width: 32, access: 'w1s', ...ports },
        PxSNTF: { offset: 0x13c, width: 32, access: 'ro', ...ports },
      },
    },
  ],
} as const satisfies DeviceDescription

export type AhciInside = DeviceInside<typeof ahciDescription>
export type AhciBehaviour<Side> = Behaviour<typeof ahciDescription, Side>
