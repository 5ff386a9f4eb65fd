import type { Reference } from './reference'
import type { Row } from './row'
import { bufferRows } from './rows/buffers'
import { copybreakRows } from './rows/copybreak'
import { costRows } from './rows/cost-per-transfer'
import { fakeMachineRows } from './rows/fake-machine'
import { interruptRows } from './rows/interrupts'
import { mappingRows } from './rows/mapping'
import { millionRows } from './rows/million'
import { poolAndBounceRows } from './rows/pool-and-bounce'
import { processRows } from './rows/process'
import { registerChainRows } from './rows/register-chain'
import { registerRows } from './rows/registers'
import { ringRows } from './rows/ring'
import { scatterlistRows } from './rows/scatterlist'
import { detachedRows, jitlessRows } from './rows/special-states'
import { uioRows } from './rows/uio'

/** Rows that share a process, so that what the engine learns from others does not colour them. */
export interface Family {
  name: string
  /** Flags of Node.js besides the common ones. */
  flags: readonly string[]
  rows(reference: Reference): Row[]
}

/** All rows that need nothing but Linux, in the order of the table. */
export const families: readonly Family[] = [
  { name: 'registers', flags: [], rows: registerRows },
  { name: 'register-chain', flags: [], rows: registerChainRows },
  { name: 'mapping', flags: [], rows: mappingRows },
  { name: 'million', flags: [], rows: millionRows },
  { name: 'ring', flags: [], rows: ringRows },
  { name: 'scatterlist', flags: [], rows: scatterlistRows },
  { name: 'pool-and-bounce', flags: [], rows: poolAndBounceRows },
  { name: 'cost', flags: [], rows: costRows },
  { name: 'buffers', flags: [], rows: bufferRows },
  { name: 'copybreak', flags: [], rows: copybreakRows },
  { name: 'interrupts', flags: [], rows: interruptRows },
  { name: 'uio', flags: [], rows: uioRows },
  { name: 'fake-machine', flags: [], rows: fakeMachineRows },
  { name: 'process', flags: [], rows: processRows },
  { name: 'detached', flags: [], rows: detachedRows },
  { name: 'jitless', flags: ['--jitless'], rows: jitlessRows },
]
