import type { Kernel } from '@linux-dma/native'
import { allocateFromHeap, createUdmabuf, receiveDmaBuf, sendDmaBuf } from '@linux-dma/udmabuf'
import { pair } from '../../pair'
import type { Reference } from '../../reference'
import type { Row } from '../../row'
import { microsecondsPerCycle } from './cycles'

const HEAP_BUFFER = 1 << 16
const HEAP_BUFFERS = 200
const MESSAGES = 200

/** Buffers from a heap, and buffers that go through a socket. */
export function sharingRows(kernel: Kernel, reference: Reference): Row[] {
  return [
    heapRow(kernel, reference),
    sendRow('dma-buf sent and received', 1, kernel, reference),
    sendRow('dma-buf sent and received, beside C that trusts', 0, kernel, reference),
  ]
}

function heapRow(kernel: Kernel, reference: Reference): Row {
  return {
    name: 'heap buffer of 64 KiB',
    unit: 'µs',
    measure: (context) =>
      pair(
        context,
        microsecondsPerCycle((count) => reference.heapCycles(HEAP_BUFFER, count), HEAP_BUFFERS),
        microsecondsPerCycle((count) => {
          for (let index = 0; index < count; index++) {
            allocateFromHeap('system', HEAP_BUFFER, { kernel }).close()
          }
        }, HEAP_BUFFERS),
      ),
  }
}

/** @param look whether C looks at what it has received, as the library does */
function sendRow(name: string, look: 0 | 1, kernel: Kernel, reference: Reference): Row {
  return {
    name,
    unit: 'µs',
    async measure(context) {
      using buffer = createUdmabuf({ size: 1 << 16, kernel })
      const [sender, receiver] = kernel.socketPair()
      const ours = async (count: number) => {
        for (let index = 0; index < count; index++) {
          await sendDmaBuf(sender, buffer)
          const received = await receiveDmaBuf(receiver, { kernel })
          received!.buffers[0]!.close()
        }
      }
      const inC = (count: number) => reference.sendAndReceive(sender, receiver, buffer.fd, look, count)
      try {
        return await pair(context, microsecondsPerCycle(inC, MESSAGES), microsecondsPerCycle(ours, MESSAGES))
      } finally {
        kernel.close(sender)
        kernel.close(receiver)
      }
    },
  }
}
