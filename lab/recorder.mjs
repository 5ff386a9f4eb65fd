import { parseKernelLog } from './kernel-log.mjs'
import { MarkerReader } from './protocol.mjs'

/** @typedef {(stream: 'output' | 'errors', bytes: Uint8Array) => void} Listener */

/**
 * @typedef {object} JobOutcome
 * @property {number | undefined} status exit status; undefined: the guest ended before the job did
 * @property {string} output
 * @property {string} errors
 */

/**
 * @typedef {object} UnfinishedJob
 * @property {string} id
 * @property {string | undefined} lastLine what it printed last, to either stream; undefined: nothing
 * @property {number} silentMilliseconds since then, or since it began
 */

/** Gathers what comes from the guest's ports, job by job. */
export class Recorder {
  /**
   * @param {string} token
   * @param {Listener} [onBytes]
   * @param {() => void} [onBegin] told when the first job begins
   */
  constructor(token, onBytes = () => {}, onBegin = () => {}) {
    this.started = performance.now()
    this.onBegin = onBegin
    this.bootMilliseconds = Number.NaN
    this.complete = false
    /** @type {string | undefined} */
    this.failure = undefined
    /** @type {Map<string, { status: number | undefined, output: Uint8Array[], errors: Uint8Array[] }>} */
    this.jobs = new Map()
    /** When a job last began or printed, and where. */
    this.lastSign = this.started
    /** @type {'output' | 'errors'} */
    this.lastStream = 'output'
    /** @type {Uint8Array[]} */
    this.log = []
    this.readers = {
      output: this.marked(token, 'output', onBytes),
      errors: this.marked(token, 'errors', onBytes),
    }
  }

  /** @param {string} port @returns {(chunk: Uint8Array) => void} */
  reader(port) {
    if (port === 'lab.output') return (chunk) => this.readers.output.write(chunk)
    if (port === 'lab.errors') return (chunk) => this.readers.errors.write(chunk)
    return (chunk) => this.log.push(chunk)
  }

  /** @param {string} token @param {'output' | 'errors'} stream @param {Listener} onBytes */
  marked(token, stream, onBytes) {
    /** @type {Uint8Array[] | undefined} */
    let current
    return new MarkerReader(token, {
      onBytes: (bytes) => {
        current?.push(Uint8Array.from(bytes))
        this.lastSign = performance.now()
        this.lastStream = stream
        onBytes(stream, bytes)
      },
      onMarker: (marker) => {
        if (marker.kind === 'failed') this.failure = marker.reason
        else if (marker.kind === 'done') this.complete = true
        else if (marker.kind === 'begin') {
          if (this.jobs.size === 0) {
            this.bootMilliseconds = performance.now() - this.started
            this.onBegin()
          }
          this.lastSign = performance.now()
          current = this.job(marker.id)[stream]
        } else {
          this.job(marker.id).status = marker.status
          current = undefined
        }
      },
    })
  }

  /** @param {string} id */
  job(id) {
    const job = this.jobs.get(id) ?? { status: undefined, output: [], errors: [] }
    this.jobs.set(id, job)
    return job
  }

  finish() {
    this.readers.output.end()
    this.readers.errors.end()
    const text = (/** @type {Uint8Array[]} */ chunks) => Buffer.concat(chunks).toString('utf8')
    const jobs = [...this.jobs].map(
      ([id, { status, output, errors }]) =>
        /** @type {const} */ ([id, { status, output: text(output), errors: text(errors) }]),
    )
    const { complete, failure, bootMilliseconds } = this
    const kernelLog = parseKernelLog(text(this.log))
    const unfinished = this.unfinished(jobs)
    return { jobs: new Map(jobs), complete, failure, bootMilliseconds, kernelLog, unfinished }
  }

  /** @param {(readonly [string, JobOutcome])[]} jobs @returns {UnfinishedJob | undefined} */
  unfinished(jobs) {
    const [id, job] = jobs.find(([, { status }]) => status === undefined) ?? []
    if (id === undefined || job === undefined) return undefined
    const lines = (job[this.lastStream] || job.output || job.errors).split(/\r?\n/)
    const lastLine = lines.findLast((line) => line.trim() !== '')
    return { id, lastLine, silentMilliseconds: performance.now() - this.lastSign }
  }
}
