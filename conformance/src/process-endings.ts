/** How a process ends in the middle. */
interface Ending {
  /** What follows the source of a process that has a function `use`, and the imports of a worker. */
  readonly source: string
  /** Exit status and signal. */
  readonly outcome: readonly [number | null, string | null]
}

/** What ends a process that has devices open, by what it is called. */
export const endings: Readonly<Record<string, Ending>> = {
  'process.exit': { source: 'use(); setImmediate(() => process.exit(7))', outcome: [7, null] },
  'an exception nobody catches': {
    source: "use(); setImmediate(() => { throw new Error('nobody catches this') })",
    outcome: [1, null],
  },
  'a signal': {
    source: "use(); setImmediate(() => process.kill(process.pid, 'SIGTERM'))",
    outcome: [null, 'SIGTERM'],
  },
  'a signal that no process survives': {
    source: "use(); setImmediate(() => process.kill(process.pid, 'SIGKILL'))",
    outcome: [null, 'SIGKILL'],
  },
  'worker.terminate': {
    source: `
    if (isMainThread) {
      const worker = new Worker(new URL(import.meta.url))
      worker.on('message', () => setImmediate(() => worker.terminate()))
      worker.on('exit', () => { setImmediate(() => process.exit(7)) })
    } else { use(); parentPort.postMessage('running') }`,
    outcome: [7, null],
  },
}
