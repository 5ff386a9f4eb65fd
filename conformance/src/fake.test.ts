import { describe, it } from 'vitest'
import { fakeHost } from './fake-host'
import { conformance, machineKinds } from './suite'

for (const kind of machineKinds) {
  conformance(
    {
      describe,
      it,
      skip(name, reason) {
        it.skip(`${name} (skipped: ${reason})`, () => {})
      },
    },
    kind,
    fakeHost(kind),
  )
}
