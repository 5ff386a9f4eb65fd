import { describe, it } from 'vitest'
import { fakeHost } from './fake-host'
import { conformance } from './suite'

conformance(
  {
    describe,
    it,
    skip(name, reason) {
      it.skip(`${name} (skipped: ${reason})`, () => {})
    },
  },
  fakeHost(),
)
