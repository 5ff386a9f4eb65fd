/**
 * @typedef {{ kind: 'begin', id: string } | { kind: 'end', id: string, status: number } | { kind: 'done' }
 *   | { kind: 'failed', reason: string }} Marker
 */

const recordSeparator = 0x1e
const lineFeed = 0x0a

/**
 * Splits a stream of the guest into what programs wrote, byte for byte, and the markers of the guest's first process
 * between them. A marker starts with a control character and carries a token chosen for this run, so that nothing a
 * program prints is taken for one.
 */
export class MarkerReader {
  /**
   * @param {string} token
   * @param {{ onMarker: (marker: Marker) => void, onBytes: (bytes: Uint8Array) => void }} listener
   */
  constructor(token, { onMarker, onBytes }) {
    /** @private */
    this.prefix = Buffer.from(`\x1e@@lab ${token} `)
    /** @private */
    this.onMarker = onMarker
    /** @private */
    this.onBytes = onBytes
    /** @private */
    this.pending = Buffer.alloc(0)
  }

  /** @param {Uint8Array} chunk */
  write(chunk) {
    this.pending = this.pending.length > 0 ? Buffer.concat([this.pending, chunk]) : Buffer.from(chunk)
    for (;;) {
      const start = this.pending.indexOf(recordSeparator)
      if (start < 0) return this.give(this.pending.length)
      this.give(start)
      const { length } = this.prefix
      const common = Math.min(length, this.pending.length)
      if (this.pending.compare(this.prefix, 0, common, 0, common) !== 0) {
        this.give(1)
        continue
      }
      const end = this.pending.indexOf(lineFeed)
      if (end < 0) return // The rest of the marker is still to come.
      const text = this.pending.toString('utf8', length, end)
      this.pending = this.pending.subarray(end + 1)
      this.onMarker(parseMarker(text))
    }
  }

  /** Hands on what is left of a stream that broke off. */
  end() {
    this.give(this.pending.length)
  }

  /** @private @param {number} byteLength */
  give(byteLength) {
    if (byteLength > 0) this.onBytes(this.pending.subarray(0, byteLength))
    this.pending = this.pending.subarray(byteLength)
  }
}

/** @param {string} text @returns {Marker} */
function parseMarker(text) {
  const [kind = '', id = '', status = ''] = text.split(' ')
  if (kind === 'begin') return { kind, id }
  if (kind === 'end' && /^[0-9]+$/.test(status)) return { kind, id, status: Number(status) }
  if (kind === 'done') return { kind }
  return { kind: 'failed', reason: text.replace(/^failed /, '') }
}

/**
 * @typedef {object} TestResult
 * @property {string} name
 * @property {boolean} ok
 * @property {string} [skipped] why
 * @property {number} [milliseconds]
 * @property {string} [error]
 */

/**
 * Reads the results of a suite from its output: one line for each test, `@@result` and a JSON object.
 * @param {string} output
 * @returns {TestResult[]} a line that cannot be read is a failed test
 */
export function parseResults(output) {
  return output.split('\n').flatMap((line) => {
    const text = /^@@result (.*?)\r?$/.exec(line)?.[1]
    return text === undefined ? [] : [parseResult(text)]
  })
}

/** @param {string} text @returns {TestResult} */
function parseResult(text) {
  try {
    const result = JSON.parse(text)
    if (typeof result.name === 'string' && typeof result.ok === 'boolean') return result
  } catch {
    // Reported below, like an object that is no result.
  }
  return { name: `unreadable result: ${text.slice(0, 60)}`, ok: false, error: text }
}
