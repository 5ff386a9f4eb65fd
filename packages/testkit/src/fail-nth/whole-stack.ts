/** Deep enough for a driver of several layers. */
const frames = 60

/** Of the fake kernel itself, which everything goes through. */
const ownFrame = /[\\/]testkit[\\/](?:src|dist)[\\/](?!.*\.test\.)/

/** Who called the fake kernel, innermost first, all the way down. */
export function wholeStack(): string {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = frames
  try {
    const lines = (new Error().stack ?? '').split('\n').slice(1)
    return lines
      .filter((line) => !ownFrame.test(line))
      .map((line) => line.trim())
      .join('\n')
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
