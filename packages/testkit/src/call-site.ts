/** Frames of the packages themselves: a leak is the fault of the first frame that is not one of these. */
const ownFrame =
  /[\\/](?:@linux-dma|packages)[\\/](?:testkit|native|core|pci|sg|uio|vfio)[\\/](?:src|dist)[\\/](?!.*\.test\.)/

/** Where the program called into the packages: remembered cheaply, and worked out only when a report needs it. */
export class CallSite {
  readonly #error: Error

  constructor() {
    // The program's frame lies below those of two or three packages: ten frames may not reach it.
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 40
    this.#error = new Error()
    Error.stackTraceLimit = limit
  }

  /** As `at file:line:column`. */
  toString(): string {
    const frames = this.#error.stack?.split('\n').slice(1) ?? []
    const frame = frames.find((line) => !ownFrame.test(line) && !line.includes('node:internal'))
    return frame?.trim() ?? 'at an unknown place'
  }
}
