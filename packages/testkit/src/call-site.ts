/** Files of the packages themselves: a leak is the fault of the first frame that is not one of these. */
const ownFile =
  /[\\/](?:@linux-dma|packages)[\\/](?:testkit|native|core|pci|sg|udmabuf|uio|vfio)[\\/](?:src|dist)[\\/](?!.*\.test\.)/

/** Frames that are looked at: the program's lies below those of two or three packages. */
const depth = 40

/** What each place looks like in a report: worked out once, since that costs more than all the rest. */
const known = new Map<string, string>()

/**
 * Where the program called into the packages. Only text is kept: a stack, and an error that nobody has looked at, hold on
 * to every object that a frame was called on, and what a report is to name could then never be collected.
 */
export class CallSite {
  readonly #text: string

  constructor() {
    const place = programPlace(captured((_error, frames) => frames))
    let text = place === undefined ? undefined : known.get(place)
    if (text === undefined) {
      text = programFrame(captured(Error.prepareStackTrace))
      if (place !== undefined) known.set(place, text)
    }
    this.#text = text
  }

  /** As `at file:line:column`. */
  toString(): string {
    return this.#text
  }
}

/** The stack of here, in the form that `prepare` gives it. */
function captured(prepare: typeof Error.prepareStackTrace): unknown {
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

/** The program's first frame, as a file and a place in it. */
function programPlace(frames: unknown): string | undefined {
  if (!Array.isArray(frames)) return undefined
  for (const frame of frames as NodeJS.CallSite[]) {
    const file = frame.getScriptNameOrSourceURL()
    if (file && isProgram(file)) return `${file}:${frame.getPosition()}`
  }
  return undefined
}

/** The line of a stack that is about the program's first frame. */
function programFrame(stack: unknown): string {
  const frames = typeof stack === 'string' ? stack.split('\n').slice(1) : []
  return frames.find(isProgram)?.trim() ?? 'at an unknown place'
}

function isProgram(place: string): boolean {
  return !ownFile.test(place) && !place.includes('node:internal')
}
