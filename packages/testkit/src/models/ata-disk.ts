import { checkBytes, checkOptionNames, checkText } from '../arguments'
import { invalidArgument } from '../errors'

/** Bytes of a sector. */
export const SECTOR_BYTES = 512

/** Bits of the status register of a disk. */
export const ataStatus = { error: 0x01, busy: 0x80, ready: 0x50 } as const
/** Of the error register: the command was not done. */
export const ATA_ABORTED = 0x04

/** A disk of a test. */
export interface DiskOptions {
  /** Its contents: a multiple of 512 bytes. The disk is these bytes, and no copy: writes change them. */
  readonly bytes: Uint8Array
  /** Up to 40 characters; `LINUX-DMA DISK` by default. */
  readonly model?: string
  /** Up to 20 characters; `1` by default. */
  readonly serial?: string
}

/** What a command comes to: bytes that the disk gives or takes, by DMA or by PIO; `'aborted'` where it does not do that. */
export type AtaTransfer =
  | { readonly direction: 'none' }
  | { readonly direction: 'in' | 'out'; readonly pio: boolean; readonly bytes: Uint8Array }
  | 'aborted'

interface Reach {
  /** Whether address and count have 48 and 16 bits, not 28 and 8. */
  readonly extended: boolean
  readonly direction: 'in' | 'out'
  readonly pio: boolean
}

const transfers: Readonly<Record<number, Reach>> = {
  32: { extended: false, direction: 'in', pio: true },
  36: { extended: true, direction: 'in', pio: true },
  37: { extended: true, direction: 'in', pio: false },
  53: { extended: true, direction: 'out', pio: false },
  200: { extended: false, direction: 'in', pio: false },
  202: { extended: false, direction: 'out', pio: false },
}

const IDENTIFY = 0xec
/** FLUSH CACHE, FLUSH CACHE EXT, SET FEATURES: done as soon as they come. */
const withoutData: readonly number[] = [0xe7, 0xea, 0xef]

/** An ATA disk: what commands do to its bytes. */
export class AtaDisk {
  readonly #bytes: Uint8Array
  readonly #model: string
  readonly #serial: string

  constructor(options: DiskOptions) {
    checkOptionNames(options, ['bytes', 'model', 'serial'], 'disk')
    const { bytes, model = 'LINUX-DMA DISK', serial = '1' } = options
    this.#bytes = checkBytes(bytes, 'bytes of the disk')
    if (bytes.byteLength === 0 || bytes.byteLength % SECTOR_BYTES !== 0) {
      invalidArgument(
        `a disk of ${bytes.byteLength} bytes`,
        `a disk has whole sectors of ${SECTOR_BYTES} bytes`,
      )
    }
    this.#model = checkLength(model, 40, 'model')
    this.#serial = checkLength(serial, 20, 'serial')
  }

  get sectors(): number {
    return this.#bytes.byteLength / SECTOR_BYTES
  }

  /** Looks at a command FIS. What a write brings goes straight into the bytes that come back. */
  begin(fis: Uint8Array): AtaTransfer {
    const command = fis[2]!
    if (command === IDENTIFY) return { direction: 'in', pio: true, bytes: this.#identify() }
    if (withoutData.includes(command)) return { direction: 'none' }
    const reach = transfers[command]
    if (reach === undefined) return 'aborted'
    const { first, count } = addressOf(fis, reach.extended)
    if (first + count > this.sectors) return 'aborted'
    const { direction, pio } = reach
    const bytes = this.#bytes.subarray(first * SECTOR_BYTES, (first + count) * SECTOR_BYTES)
    return { direction, pio, bytes }
  }

  /** The 256 words of IDENTIFY DEVICE. */
  #identify(): Uint8Array {
    const bytes = new Uint8Array(SECTOR_BYTES)
    const view = new DataView(bytes.buffer)
    const set = (word: number, value: number) => view.setUint16(word * 2, value, true)
    set(0, 0x0040)
    writeText(bytes, 10, this.#serial.padStart(20))
    writeText(bytes, 23, '1.0'.padEnd(8))
    writeText(bytes, 27, this.#model.padEnd(40))
    // DMA and 28-bit addresses; the words 64 to 70 and 88 are valid.
    set(49, 0x0300)
    set(53, 0x0006)
    view.setUint32(60 * 2, Math.min(this.sectors, 0x0fff_ffff), true)
    set(63, 0x0007)
    set(64, 0x0003)
    // ATA8-ACS and what came before.
    set(80, 0x00f0)
    // Flushing, with and without the extended form, and 48-bit addresses: supported, and enabled.
    set(82, 0x4000)
    set(83, 0x7400)
    set(84, 0x4000)
    set(85, 0x4000)
    set(86, 0x3400)
    set(87, 0x4000)
    set(88, 0x203f)
    view.setBigUint64(100 * 2, BigInt(this.sectors), true)
    return bytes
  }
}

function addressOf(fis: Uint8Array, extended: boolean): { first: number; count: number } {
  const low = fis[4]! | (fis[5]! << 8) | (fis[6]! << 16)
  if (!extended) return { first: low + (fis[7]! & 0x0f) * 2 ** 24, count: fis[12]! || 0x100 }
  const high = fis[8]! | (fis[9]! << 8) | (fis[10]! << 16)
  return { first: low + high * 2 ** 24, count: fis[12]! | (fis[13]! << 8) || 0x1_0000 }
}

/** Text in words, each with its first character in the upper half. */
function writeText(bytes: Uint8Array, word: number, text: string): void {
  for (let at = 0; at < text.length; at++) bytes[(word * 2 + at) ^ 1] = text.charCodeAt(at)
}

function checkLength(value: string, most: number, name: string): string {
  checkText(value, name)
  if (value.length > most || !/^[\x20-\x7e]*$/.test(value)) {
    invalidArgument(`${name} is '${value}'`, `a disk has up to ${most} characters of ASCII there`)
  }
  return value
}
