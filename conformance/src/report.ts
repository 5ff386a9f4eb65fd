import { describe, it } from 'node:test'
import type { Runner } from './host'

/** One line for each test, for whoever compares this run with another: the lab does. */
export interface Line {
  name: string
  ok: boolean
  skipped?: string
  milliseconds: number
  error?: string
}

export function print(line: Line): void {
  console.log(`@@result ${JSON.stringify(line)}`)
}

/** node:test, with a line for each test besides. */
export function reportingRunner(): Runner {
  const path: string[] = []
  const titleOf = (name: string) => [...path, name].join(' > ')
  return {
    describe(name, body) {
      describe(name, () => {
        path.push(name)
        body()
        path.pop()
      })
    },
    it(name, body) {
      const title = titleOf(name)
      it(name, async () => {
        const start = performance.now()
        const milliseconds = () => Math.round(performance.now() - start)
        try {
          await body()
          print({ name: title, ok: true, milliseconds: milliseconds() })
        } catch (error) {
          const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
          print({ name: title, ok: false, milliseconds: milliseconds(), error: text })
          throw error
        }
      })
    },
    skip(name, reason) {
      print({ name: titleOf(name), ok: true, skipped: reason, milliseconds: 0 })
      it(name, { skip: reason }, () => {})
    },
  }
}
