import type { Kernel } from '@linux-dma/native'
import { createUdmabuf, type DmaBuf } from '@linux-dma/udmabuf'
import { nanosecondsPerOperation, pair } from '../../pair'
import type { Reference } from '../../reference'
import type { Row } from '../../row'

/** In each sample: enough for the engine to have compiled the path before the first one counts. */
const ACCESSES = 5000

/** What it takes to tell the kernel of an access by the CPU, beside the two ioctls. */
export function cpuAccessRows(kernel: Kernel, reference: Reference): Row[] {
  const row = (name: string, access: (buffer: DmaBuf) => void): Row => ({
    name,
    unit: 'ns',
    async measure(context) {
      using buffer = createUdmabuf({ size: 1 << 16, kernel })
      const ours = (count: number) => {
        for (let index = 0; index < count; index++) access(buffer)
      }
      const inC = (count: number) => reference.cpuAccesses(buffer.fd, count)
      return await pair(
        context,
        nanosecondsPerOperation(inC, ACCESSES),
        nanosecondsPerOperation(ours, ACCESSES),
      )
    },
  })
  const use = (bytes: Uint8Array) => bytes.length
  return [
    row('CPU access, cpuAccess()', (buffer) => buffer.cpuAccess('read-write', use)),
    row('CPU access, begin and end', (buffer) => {
      buffer.beginCpuAccess('read-write')
      buffer.endCpuAccess('read-write')
    }),
  ]
}
