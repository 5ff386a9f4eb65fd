/** Files of the packages themselves: what is done with them is done by the frames that are none of these. */
const ownFile =
  /[\\/](?:@linux-dma|packages)[\\/](?:testkit|native|core|pci|sg|udmabuf|uio|vfio)[\\/](?:src|dist)[\\/](?!.*\.test\.)/

/** A frame of the engine's own, such as that of `new Promise`, of `Array.map` or of `Promise.all`. */
const enginePlace = /\((?:<anonymous>|index \d+)\)$/

/** Frames that are looked at: the program's lies below those of two or three packages. */
const DEPTH = 40
/** And at first, since each costs: a map or unmap has some fifteen of the packages' own above the program's. */
const FIRST_DEPTH = 20
const UNKNOWN = 'at an unknown place'
/** Places that are remembered: more are those of a program that makes its functions up as it goes. */
const MOST_KNOWN = 10_000

/** A frame of the program's, below those that lead to it from the root: found by comparing numbers, since each string that is made costs. */
class Frame {
  /** What the place looks like in a report: worked out once, since that costs more than all the rest. */
  text: string | undefined
  /** Frames from the root to here. */
  readonly depth: number
  readonly #callers = new Map<number | string, Frame>()
  /** Most places are called from one other. */
  #lastKey: number | string | undefined
  #last: Frame | undefined

  constructor(depth: number) {
    this.depth = depth
  }

  caller(key: number | string): Frame {
    if (key === this.#lastKey) return this.#last!
    let frame = this.#callers.get(key)
    if (frame === undefined) {
      frame = new Frame(this.depth + 1)
      knownFrames++
      this.#callers.set(key, frame)
    }
    this.#lastKey = key
    this.#last = frame
    return frame
  }
}

/** Of each count of frames that is asked for, where all places begin. */
const roots = new Map<number, Frame>()
let knownFrames = 0
/** By file a number of its own, or 0 for what is not the program's. */
const files = new Map<string, number>()
let lastFile = 0

/**
 * Where the program called into the packages: the frames that are neither theirs nor those of what else is installed, a test runner's
 * say, innermost first, one a line, each as `at function (file:line:column)`. The same text, to the object, each time for the same place.
 *
 * Only text is kept: a stack, and an error that nobody has looked at, hold on to every object that a frame was called on, and
 * what a report is to name could then never be collected. To keep it as it is would save a third of the time, and no more.
 *
 * It costs some microseconds; nothing, and tells nothing, where the program has turned stacks off by `Error.stackTraceLimit = 0`.
 * @param frames how many, 1 or more
 * @internal
 */
export function callSite(frames = 1): string {
  if (Error.stackTraceLimit === 0) return UNKNOWN
  const place = placeWithin(FIRST_DEPTH, frames) ?? placeWithin(DEPTH, frames)
  if (place === undefined) return lines(captured(Error.prepareStackTrace, DEPTH), frames)
  // Others may have called from below the last frame that was looked at: the text has no more of them.
  place.text ??= lines(captured(Error.prepareStackTrace, DEPTH), place.depth)
  return place.text
}

/** The program's first frames; undefined where none of it is among as many. */
function placeWithin(depth: number, count: number): Frame | undefined {
  return programPlace(captured(asFrames, depth), count)
}

function asFrames(_error: Error, frames: NodeJS.CallSite[]): NodeJS.CallSite[] {
  return frames
}

/** The stack of here, in the form that `prepare` gives it. */
function captured(prepare: typeof Error.prepareStackTrace, depth: number): unknown {
  const { stackTraceLimit, prepareStackTrace } = Error
  Error.stackTraceLimit = depth
  Error.prepareStackTrace = prepare
  try {
    return new Error().stack
  } finally {
    // A program's own function, too, may throw.
    Error.stackTraceLimit = stackTraceLimit
    Error.prepareStackTrace = prepareStackTrace
  }
}

function programPlace(frames: unknown, count: number): Frame | undefined {
  if (!Array.isArray(frames)) return undefined
  let place = rootOf(count)
  let left = count
  for (const frame of frames as NodeJS.CallSite[]) {
    const file = numberOf(frame.getScriptNameOrSourceURL())
    if (file === 0) continue
    place = place.caller(keyOf(file, frame))
    if (--left === 0) break
  }
  return left === count ? undefined : place
}

function rootOf(count: number): Frame {
  if (knownFrames >= MOST_KNOWN) {
    roots.clear()
    knownFrames = 0
  }
  let root = roots.get(count)
  if (root === undefined) {
    root = new Frame(0)
    roots.set(count, root)
  }
  return root
}

/** Where in which file. Of the two, the offset is what V8 knows by heart; Bun has none. */
function keyOf(file: number, frame: Partial<NodeJS.CallSite>): number | string {
  const offset = frame.getPosition?.()
  if (offset !== undefined) return file * 2 ** 32 + offset
  return `${file}:${frame.getLineNumber?.()}:${frame.getColumnNumber?.()}`
}

/** The lines of a stack that are about the program's first frames. */
function lines(stack: unknown, count: number): string {
  const all = typeof stack === 'string' ? stack.split('\n').slice(1) : []
  const others = all.filter((line) => !isOwn(line))
  const mine = others.filter((line) => !isInstalled(line))
  const program = (mine.length > 0 ? mine : others).slice(0, count)
  return program.map((line) => line.trim()).join('\n') || UNKNOWN
}

/** A file's number; 0 where it is not the program's. */
function numberOf(file: string | null): number {
  if (!file) return 0
  let number = files.get(file)
  if (number === undefined) {
    number = isOwn(file) || isInstalled(file) ? 0 : ++lastFile
    if (files.size >= MOST_KNOWN) files.clear()
    files.set(file, number)
  }
  return number
}

/** Also what a test runner's compiler puts in beside the program, for `using` say. */
function isInstalled(place: string): boolean {
  return /[\\/]node_modules[\\/]|@oxc-project\+runtime@/.test(place)
}

function isOwn(place: string): boolean {
  return ownFile.test(place) || place.includes('node:internal') || enginePlace.test(place)
}
