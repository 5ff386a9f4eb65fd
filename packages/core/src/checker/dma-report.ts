import { DmaError } from '@linux-dma/native'
import { type DmaAddress, formatDmaAddress } from '../vocabulary/address'
import { type DmaDirection, directionName } from '../vocabulary/direction'
import { type DmaMisuse, misuseText } from './misuse'

/** What is known of a misuse, beside which one it is. */
export interface DmaReportFacts {
  /** Where the device finds, or found, what it is about. */
  readonly address?: DmaAddress | undefined
  /** Bytes that the call was about. */
  readonly size?: number | undefined
  readonly direction?: DmaDirection | undefined
  /** What would have been right, in words. */
  readonly expected?: string | undefined
  /** What was found in its place. */
  readonly actual?: string | undefined
  /** Where the program mapped it: frames, innermost first, one a line. */
  readonly mappedAt?: string | undefined
  /** Where it was unmapped before. */
  readonly unmappedAt?: string | undefined
  /** How many things it is about, for one that is about several. */
  readonly count?: number | undefined
}

/**
 * A misuse of the DMA API that a {@link DmaChecker} saw. A {@link DmaError}: its code is the one that the same mistake has without
 * a checker, and `DMA_DEBUG` where it would have gone unnoticed.
 */
export class DmaReport extends DmaError implements DmaReportFacts {
  /** Which mistake: a value of {@link DmaMisuse}, up to 24 the kernel's own. */
  readonly class: DmaMisuse
  /** The class in words. */
  readonly misuse: string
  /** Name of the device. */
  readonly device: string
  declare readonly address?: DmaAddress
  declare readonly size?: number
  declare readonly direction?: DmaDirection
  declare readonly expected?: string
  declare readonly actual?: string
  declare readonly mappedAt?: string
  declare readonly unmappedAt?: string
  declare readonly count?: number
  /** Where the program made the mistake: frames, innermost first, one a line. Absent of what a device did by itself. */
  declare readonly misusedAt?: string

  /** @internal made by a checker @param time when a device did it, in milliseconds of its clock; absent of what the program did */
  constructor(
    error: DmaError,
    misuse: DmaMisuse,
    device: string,
    facts: DmaReportFacts,
    misusedAt: string,
    time?: number,
  ) {
    const doneLine = time === undefined ? site('misused', misusedAt) : doneByDevice(time, misusedAt)
    super(error.code, describe(error, misuse, device, facts, doneLine), detailsOf(error))
    this.class = misuse
    this.misuse = misuseText[misuse]
    this.device = device
    if (time === undefined || misusedAt !== nowhere) this.misusedAt = misusedAt
    // Absent fields stay absent, so that a report prints only what it knows.
    for (const [name, value] of Object.entries(facts)) {
      if (value !== undefined) Object.assign(this, { [name]: value })
    }
  }
}

/** The message, which says all that the fields do. */
function describe(
  error: DmaError,
  misuse: DmaMisuse,
  device: string,
  facts: DmaReportFacts,
  doneLine: string,
): string {
  const lines = [bareMessage(error), `class ${misuse}, ${misuseText[misuse]}: ${subject(device, facts)}`]
  if (facts.expected !== undefined) lines.push(`expected ${facts.expected}, found ${facts.actual}`)
  if (facts.mappedAt !== undefined) lines.push(site('mapped', facts.mappedAt))
  if (facts.unmappedAt !== undefined) lines.push(site('unmapped', facts.unmappedAt))
  lines.push(doneLine)
  return lines.join('\n  ')
}

/** What `callSite()` says where the program is not on the stack, as when a device's time has come. */
const nowhere = 'at an unknown place'

/** A device does it when its time has come, or while the program calls: then it says where. */
function doneByDevice(time: number, misusedAt: string): string {
  const when = `by the device, at ${Number(time.toFixed(4))} ms`
  return misusedAt === nowhere ? when : site(`${when},`, misusedAt)
}

function subject(device: string, { address, size, direction }: DmaReportFacts): string {
  const parts = [device]
  if (size !== undefined) parts.push(`${size} bytes`)
  if (address !== undefined) parts.push(`at ${formatDmaAddress(address)}`)
  if (direction !== undefined) parts.push(directionName(direction))
  return parts.join(' ')
}

function site(what: string, frames: string): string {
  const [first, ...more] = frames.split('\n')
  return [`${what} ${first}`, ...more.map((frame) => `  ${frame}`)].join('\n  ')
}

/** Without the code in front and the hint behind, which the new error has itself. */
function bareMessage({ code, message, hint }: DmaError): string {
  const end = hint === undefined ? message.length : message.lastIndexOf('\n  hint: ')
  return message.slice(code.length + 2, end)
}

function detailsOf({ hint, errno, syscall, path, cause }: DmaError) {
  return {
    ...(hint === undefined ? {} : { hint }),
    ...(errno === undefined ? {} : { errno }),
    ...(syscall === undefined ? {} : { syscall }),
    ...(path === undefined ? {} : { path }),
    ...(cause === undefined ? {} : { cause }),
  }
}
