import type { Host } from '../host'
import type { Suite } from '../suite'

/** A test of a suite, bound to a host. */
export interface FoundTest {
  /** With the groups that it is in. */
  readonly title: string
  readonly body: () => void | Promise<void>
}

/** The tests of a suite, in order, less those that this host cannot show. */
export function collectTests(suite: Suite, host: Host): FoundTest[] {
  const found: FoundTest[] = []
  const groups: string[] = []
  suite(
    {
      describe(name, body) {
        groups.push(name)
        body()
        groups.pop()
      },
      it(name, body) {
        found.push({ title: [...groups, name].join(' > '), body })
      },
      skip() {},
    },
    host,
  )
  return found
}
