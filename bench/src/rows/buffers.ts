import { allocateDmaMemory } from '@linux-dma/core'
import { kernel } from '../fixtures'
import { nextTurn, pair } from '../pair'
import type { Reference } from '../reference'
import type { Row } from '../row'

const BUFFER = 1 << 16
const COUNT = 1000

/** Shared buffers of 64 KiB made and given back: see native/buffers.c for the system calls on both sides. */
export function bufferRows(reference: Reference): Row[] {
  return [
    row('buffer, handle only', () => reference.carefulBuffers(BUFFER, 0, COUNT), handleOnly),
    row('buffer with a view', () => reference.carefulBuffers(BUFFER, 1, COUNT), withView),
    row('buffer with a view, beside five calls', () => reference.plainBuffers(BUFFER, COUNT), withView),
  ]
}

function row(name: string, c: () => void, ours: () => void): Row {
  return {
    name,
    unit: 'µs',
    measure: (context) => pair(context, microsecondsPerBuffer(c), microsecondsPerBuffer(ours)),
  }
}

/** With a turn of the event loop, in which what the garbage collector has found is unmapped. */
function microsecondsPerBuffer(work: () => void): () => Promise<number> {
  return async () => {
    const start = process.hrtime.bigint()
    work()
    await nextTurn()
    return Number(process.hrtime.bigint() - start) / 1000 / COUNT
  }
}

function handleOnly(): void {
  for (let index = 0; index < COUNT; index++) {
    const fd = kernel.memfd('bench', { byteLength: BUFFER })
    const mapping = kernel.mmap(fd, { byteLength: BUFFER })
    mapping.close()
    kernel.close(fd)
  }
}

function withView(): void {
  for (let index = 0; index < COUNT; index++) allocateDmaMemory({ byteLength: BUFFER, name: 'bench' }).close()
}
