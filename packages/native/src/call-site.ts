/** Files of the packages themselves: what is done with them is done by the frames that are none of these. */
const ownFile =
  /[\\/](?:@linux-dma|packages)[\\/](?:testkit|native|core|pci|sg|udmabuf|uio|vfio)[\\/](?:src|dist)[\\/](?!.*\.test\.)/

/** A frame of the engine's own, such as that of `new Promise`, of `Array.map` or of `Promise.all`. */
const enginePlace = /\((?:<anonymous>|index \d+)\)$/

/** Frames that are looked at: the program's lies below those of two or three packages. */
const DEPTH = 40
const UNKNOWN = 'at an unknown place'
/** Places that are remembered: more are those of a program that makes its functions up as it goes. */
const MOST_KNOWN = 10_000

/** What each place looks like in a report: worked out once, since that costs more than all the rest. */
const known = new Map<string, string>()
/** Whether a file is the program's. */
const files = new Map<string, boolean>()

/**
 * Where the program called into the packages: the frames that are neither theirs nor those of what else is installed, a test runner's
 * say, innermost first, one a line, each as `at function (file:line:column)`. The same text, to the object, each time for the same place.
 *
 * Only text is kept: a stack, and an error that nobody has looked at, hold on to every object that a frame was called on, and
 * what a report is to name could then never be collected.
 *
 * It costs some microseconds; nothing, and tells nothing, where the program has turned stacks off by `Error.stackTraceLimit = 0`.
 * @param frames how many, 1 or more
 * @internal
 */
export function callSite(frames = 1): string {
  if (Error.stackTraceLimit === 0) return UNKNOWN
  const place = programPlaces(captured(asFrames), frames)
  if (place === '') return lines(captured(Error.prepareStackTrace), frames)
  let text = known.get(place)
  if (text === undefined) {
    text = lines(captured(Error.prepareStackTrace), frames)
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(place, text)
  }
  return text
}

function asFrames(_error: Error, frames: NodeJS.CallSite[]): NodeJS.CallSite[] {
  return frames
}

/** The stack of here, in the form that `prepare` gives it. */
function captured(prepare: typeof Error.prepareStackTrace): unknown {
  const { stackTraceLimit, prepareStackTrace } = Error
  Error.stackTraceLimit = DEPTH
  Error.prepareStackTrace = prepare
  try {
    return new Error().stack
  } finally {
    // A program's own function, too, may throw.
    Error.stackTraceLimit = stackTraceLimit
    Error.prepareStackTrace = prepareStackTrace
  }
}

/** The program's first frames, as files and places in them. */
function programPlaces(frames: unknown, count: number): string {
  if (!Array.isArray(frames)) return ''
  let places = ''
  let left = count
  for (const frame of frames as NodeJS.CallSite[]) {
    const file = frame.getScriptNameOrSourceURL()
    if (!file || !isProgram(file)) continue
    places += `${file}:${positionOf(frame)}\n`
    if (--left === 0) break
  }
  return places
}

/** Where in its file. Of the two, the offset is what V8 knows by heart; Bun has none. */
function positionOf(frame: Partial<NodeJS.CallSite>): string | number {
  return frame.getPosition?.() ?? `${frame.getLineNumber?.()}:${frame.getColumnNumber?.()}`
}

/** The lines of a stack that are about the program's first frames. */
function lines(stack: unknown, count: number): string {
  const all = typeof stack === 'string' ? stack.split('\n').slice(1) : []
  const others = all.filter((line) => !isOwn(line))
  const mine = others.filter((line) => !isInstalled(line))
  const program = (mine.length > 0 ? mine : others).slice(0, count)
  return program.map((line) => line.trim()).join('\n') || UNKNOWN
}

function isProgram(file: string): boolean {
  let program = files.get(file)
  if (program === undefined) {
    program = !isOwn(file) && !isInstalled(file)
    if (files.size >= MOST_KNOWN) files.clear()
    files.set(file, program)
  }
  return program
}

function isInstalled(place: string): boolean {
  return /[\\/]node_modules[\\/]/.test(place)
}

function isOwn(place: string): boolean {
  return ownFile.test(place) || place.includes('node:internal') || enginePlace.test(place)
}
