import { fisType } from './ahci-registers'
import { ataStatus } from './ata-disk'

const FIS_BYTES = 20
/** Bits of the second byte: what the FIS brings is told by an interrupt; data comes from the disk. */
const INTERRUPT = 0x40
const TO_MEMORY = 0x20
const REQUESTS_DATA = 0x08

/** A register FIS of a disk, with address and count of the command that it answers. */
export function registerFis(command: Uint8Array, status: number, error: number): Uint8Array {
  const fis = new Uint8Array(FIS_BYTES)
  fis.set([fisType.registerDeviceToHost, INTERRUPT, status, error])
  fis.set(command.subarray(4, 11), 4)
  fis.set(command.subarray(12, 14), 12)
  return fis
}

/** What a disk says after a reset that went well: its signature is one sector, the first, and no cylinder. */
export function greetingFis(error: number): Uint8Array {
  const fis = new Uint8Array(FIS_BYTES)
  fis.set([fisType.registerDeviceToHost, INTERRUPT, ataStatus.ready, error])
  fis[4] = 1
  fis[12] = 1
  return fis
}

/** Announces data by PIO, and the status that holds when they are there. */
export function pioSetupFis(command: Uint8Array, byteLength: number): Uint8Array {
  const fis = registerFis(command, ataStatus.ready | REQUESTS_DATA, 0)
  fis[0] = fisType.pioSetup
  fis[1] = INTERRUPT | TO_MEMORY
  fis[15] = ataStatus.ready
  fis[16] = byteLength & 0xff
  fis[17] = (byteLength >>> 8) & 0xff
  return fis
}
