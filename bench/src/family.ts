// One family of rows in a process of its own: told what to measure by a message, it answers with one for each row.
import { families } from './families'
import { closeDevices } from './fixtures'
import { loadReference } from './reference'
import type { Context, Result } from './row'

/** What the parent asks. */
export interface Order {
  family: string
  /** Names of the rows to measure. */
  rows: readonly string[]
  context: Context
}

/** What the child answers, for each row. */
export type Answer = { result: Result } | { row: string; error: string }

process.once('message', (order: Order) => {
  measure(order).finally(() => process.disconnect())
})

async function measure({ family, rows, context }: Order): Promise<void> {
  const known = families.find(({ name }) => name === family)
  if (!known) throw new Error(`no family of rows is called ${family}`)
  for (const row of known.rows(loadReference())) {
    if (!rows.includes(row.name)) continue
    try {
      const measured = await row.measure(context)
      answer({ result: { name: row.name, unit: row.unit, ...measured } })
    } catch (error) {
      answer({
        row: row.name,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      })
    } finally {
      closeDevices()
    }
  }
}

function answer(message: Answer): void {
  process.send!(message)
}
