import { DmaError } from '@linux-dma/native'
import { isBase64 } from './base64'
import { directions, families, stages } from './decode-event'
import type { Trace, TraceEvent } from './trace-event'

/** Characters of a line that are quoted. */
const MOST_QUOTED = 60

type Check = (value: unknown) => boolean

const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isText: Check = (value) => typeof value === 'string'
const isTime: Check = (value) => typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY
const isHex: Check = (value) => typeof value === 'string' && /^0x[0-9a-f]{1,16}$/.test(value)
const isBytes: Check = (value) => typeof value === 'string' && isBase64(value)
const oneOf =
  (choices: readonly unknown[]): Check =>
  (value) =>
    choices.includes(value)
const orNone =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)

const place = { address: isHex, byteLength: isCount }
const taken = { bytes: orNone(isBytes), cut: orNone(isCount) }
const mapping = { mapping: isCount, ...place, ...taken }
const access = { access: oneOf(['read', 'write']) }

/** What the lines of each kind have, beside what all have. */
const kinds: Record<TraceEvent['kind'], Record<string, Check>> = {
  map: { ...mapping, direction: oneOf(directions), family: oneOf(families), at: orNone(isText) },
  sync: { ...mapping, for: oneOf(['cpu', 'device']) },
  unmap: mapping,
  register: {
    ...access,
    bar: isCount,
    offset: isCount,
    name: orNone(isText),
    width: oneOf([8, 16, 32, 64]),
    value: (value) => isCount(value) || isHex(value),
  },
  dma: { ...access, ...place },
  fault: { ...access, ...place },
  interrupt: { vector: isCount, count: isCount, stage: oneOf(stages) },
  misuse: {
    class: orNone(isCount),
    message: isText,
    address: orNone(isHex),
    byteLength: orNone(isCount),
    at: orNone(isText),
  },
  note: { message: isText },
}
const common = { n: isCount, time: isTime, device: isText }
const head = { version: oneOf([1]), machine: isText, seed: orNone(isCount), dropped: isCount }

/**
 * Reads what `trace.save()` wrote, and believes nothing of it.
 * @throws `DMA_INVALID_TRACE` with the line and what is wrong with it
 * @example
 * ```ts
 * const result = replayTrace(parseTrace(readFileSync('edu.trace', 'utf8')), new EduDevice())
 * ```
 */
export function parseTrace(text: string): Trace {
  if (typeof text !== 'string') throw invalid(1, `${typeof text} is no text`)
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  const start = fieldsOf(lines[0] ?? '', 1)
  check(start, head, 1)
  const events = lines
    .slice(1)
    .map((line, index) => parseEvent(line, index + 2, Number(start.dropped) + index))
  return { ...(start as unknown as Omit<Trace, 'events'>), events }
}

function parseEvent(text: string, line: number, n: number): TraceEvent {
  const fields = fieldsOf(text, line)
  const kind = String(fields.kind)
  if (!Object.hasOwn(kinds, kind)) throw invalid(line, `there is no kind of event '${kind}'`)
  check(fields, { kind: () => true, ...common, ...kinds[kind as TraceEvent['kind']] }, line)
  if (fields.n !== n) throw invalid(line, `event ${String(fields.n)} is where ${n} should be`)
  if (fields.kind === 'register' && (fields.width === 64) !== isHex(fields.value)) {
    throw invalid(line, "a value of 64 bits is written '0x…', any other as a number")
  }
  return fields as unknown as TraceEvent
}

function fieldsOf(text: string, line: number): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid(line, `it is no JSON: ${quoteStart(text)}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(line, 'it is no object')
  }
  return value as Record<string, unknown>
}

/** What somebody else wrote there, such as a line of npm's before the first. */
function quoteStart(line: string): string {
  const start = JSON.stringify(line.slice(0, MOST_QUOTED))
  return line.length > MOST_QUOTED ? `${start} …` : start
}

function check(fields: Record<string, unknown>, known: Record<string, Check>, line: number): void {
  for (const [name, isRight] of Object.entries(known)) {
    if (!isRight(fields[name])) throw invalid(line, `${name} is ${JSON.stringify(fields[name]) ?? 'missing'}`)
  }
  const stranger = Object.keys(fields).find((name) => !Object.hasOwn(known, name))
  if (stranger !== undefined) throw invalid(line, `there is nothing called '${stranger}' in it`)
}

function invalid(line: number, reason: string): DmaError {
  return new DmaError('DMA_INVALID_TRACE', `line ${line} of the trace: ${reason}`, {
    hint: 'pass the text that trace.save() gave, whole and unchanged',
  })
}
