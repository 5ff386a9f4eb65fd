// Sends random operations to the kernel of this machine and to a fake one, in the lab, and compares what they answer:
// node dist/fuzz.js [KIND] [--family NAME] [--seed N] [--operations N] [--counts] [--fake]
// With --counts it says of each operation how often it was answered and refused.
// With --fake the fake is compared with another fake, anywhere.
import { parseArgs } from 'node:util'
import { fakeHost } from './fake-host'
import { familiesOf, findFamily } from './fuzz/families'
import { fuzzFamily } from './fuzz/fuzz-family'
import { useOneProcessor } from './fuzz/one-processor'
import { formatDivergence, formatReport, formatTally } from './fuzz/print-divergence'
import { realHost } from './real-host'
import { print } from './report'
import { kindFromArguments } from './suite'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    family: { type: 'string', multiple: true },
    seed: { type: 'string', default: '1' },
    operations: { type: 'string', default: '20000' },
    counts: { type: 'boolean', default: false },
    fake: { type: 'boolean', default: false },
  },
})
// Half of all operations fail, as they are to: where they were called from is of no interest, and costs as much as they do.
Error.stackTraceLimit = 0

const kind = kindFromArguments(positionals)
/** Operations in which each kind of them is to be answered at least once. */
const ENOUGH = 20_000

const options = { seed: wholeNumber('seed'), operations: wholeNumber('operations') }
if (!values.fake) useOneProcessor(realHost().kernel)

for (const family of values.family?.map(findFamily) ?? familiesOf(kind)) {
  // A machine for each, so that none has what another left behind.
  const sides = { reference: values.fake ? fakeHost(kind) : realHost(), fake: fakeHost(kind) }
  const onFound = () => console.error(`fuzz ${family.name}: found a divergence; shortening the program`)
  const report = await fuzzFamily(family, sides, { ...options, onFound })
  const found = report.divergences.map((divergence) => formatDivergence(family.name, divergence))
  const mistaken = report.operations < ENOUGH ? [] : report.tally.mistaken()
  if (mistaken.length > 0)
    found.push(`answered never, or against what the family says: ${mistaken.join(', ')}`)
  console.log([formatReport(report), ...found].join('\n\n'))
  if (values.counts) console.log(formatTally(report))
  print({
    name: `fuzz ${family.name}`,
    ok: found.length === 0,
    milliseconds: Math.round(report.milliseconds),
    ...(found.length > 0 && { error: found.join('\n\n') }),
  })
  if (found.length > 0) process.exitCode = 1
}

function wholeNumber(name: 'seed' | 'operations'): number {
  const number = Number(values[name])
  if (Number.isInteger(number) && number >= 0 && number < 2 ** 31) return number
  throw new Error(`--${name} ${values[name]}: expected a whole number, 0 to 2147483647`)
}
