// What dma-bufs, and mapping memory for a real device, cost beside C: for a machine with udmabuf and VFIO, such as the lab's
// guest.
//   npm run lab -- --run bench/lab.mjs [--only PATTERN] [--address 0000:00:04.0] [--quick] [--gate]
import { parseArgs } from 'node:util'
import { describeMachine } from '../machine'
import { loadReference, type Reference } from '../reference'
import { cells, missedRows, renderPlain } from '../report'
import type { Context, Result } from '../row'
import { dmaBufRows } from './dma-buf/rows'
import { labRows } from './rows'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    address: { type: 'string' },
    quick: { type: 'boolean', default: false },
    gate: { type: 'boolean', default: false },
  },
})
const context: Context = { quick: options.quick, long: false }
const results: Result[] = []
console.log(describeMachine())
const only = new RegExp(options.only, 'i')
const reference = loadReference()
// In this order: the others record what is asked of the kernel, and that would be measured as well.
for (const rows of [dmaBufRows, (reference: Reference) => labRows(reference, options.address)]) {
  for (const row of rows(reference).filter(({ name }) => only.test(name))) {
    const result = { name: row.name, unit: row.unit, ...(await row.measure(context)) }
    results.push(result)
    // As they come: all of them take minutes.
    console.error(cells(result).join('  '))
  }
}
console.log(renderPlain(results))
// What is left open ends with the process; a window of C's own keeps the device from being closed before.
process.exit(options.gate && missedRows(results).length > 0 ? 1 : 0)
