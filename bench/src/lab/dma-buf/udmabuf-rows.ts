import { type Kernel, O_RDWR } from '@linux-dma/native'
import { createUdmabuf, type DmaBuf, openUdmabuf } from '@linux-dma/udmabuf'
import { pair } from '../../pair'
import type { Reference } from '../../reference'
import type { Row } from '../../row'
import { microsecondsPerCycle } from './cycles'

/** Sizes, and how many buffers of each are made in a sample. */
const SIZES = [
  { name: '4 KiB', size: 4 << 10, count: 300 },
  { name: '1 MiB', size: 1 << 20, count: 30 },
  { name: '64 MiB', size: 64 << 20, count: 1 },
]

/** How C maps the buffer: see native/dma-buf.c. */
const PLAIN = 0
const CAREFUL = 1
const PARKED = 2
const OPENED_EACH_TIME = -1

/** Buffers created, mapped, unmapped and closed. */
export function udmabufRows(kernel: Kernel, reference: Reference): Row[] {
  const device = openUdmabuf({ kernel })
  const fd = kernel.open('/dev/udmabuf', O_RDWR)
  return SIZES.flatMap(({ name, size, count }) => {
    const row = (what: string, inC: [device: number, manner: 0 | 1 | 2], ours: () => void): Row => ({
      name: `udmabuf of ${name}${what}`,
      unit: 'µs',
      measure: (context) =>
        pair(
          context,
          microsecondsPerCycle((times) => reference.udmabufCycles(inC[0], size, inC[1], times), count),
          microsecondsPerCycle((times) => {
            for (let index = 0; index < times; index++) ours()
          }, count),
        ),
    })
    const withOpenDevice = () => mapAndClose(device.create({ size }))
    const withClosedDevice = () => mapAndClose(createUdmabuf({ size, kernel }))
    return [
      row('', [fd, CAREFUL], withOpenDevice),
      row(', beside the fewest calls', [fd, PLAIN], withOpenDevice),
      row(', device opened for it', [OPENED_EACH_TIME, CAREFUL], withClosedDevice),
      row(', device opened for it, beside the fewest calls', [OPENED_EACH_TIME, PLAIN], withClosedDevice),
      row(', with a view', [fd, PARKED], () => lookAndClose(device.create({ size }))),
    ]
  })
}

function mapAndClose(buffer: DmaBuf): void {
  buffer.map().close()
  buffer.close()
}

function lookAndClose(buffer: DmaBuf): void {
  const mapping = buffer.map()
  if (mapping.bytes.length !== buffer.size) throw new Error('the view is of another length')
  mapping.close()
  buffer.close()
}
