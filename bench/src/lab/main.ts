// What mapping memory for a real device costs, beside C: for a machine with VFIO, such as the lab's guest.
//   npm run lab -- --run bench/lab.mjs [--address 0000:00:04.0] [--quick] [--gate]
import { parseArgs } from 'node:util'
import { describeMachine } from '../machine'
import { loadReference } from '../reference'
import { missedRows, renderPlain } from '../report'
import type { Context, Result } from '../row'
import { labRows } from './rows'

const { values: options } = parseArgs({
  options: {
    address: { type: 'string' },
    quick: { type: 'boolean', default: false },
    gate: { type: 'boolean', default: false },
  },
})
const context: Context = { quick: options.quick, long: false }
const results: Result[] = []
console.log(describeMachine())
for (const row of labRows(loadReference(), options.address)) {
  results.push({ name: row.name, unit: row.unit, ...(await row.measure(context)) })
}
console.log(renderPlain(results))
// What is left open ends with the process; a window of C's own keeps the device from being closed before.
process.exit(options.gate && missedRows(results).length > 0 ? 1 : 0)
