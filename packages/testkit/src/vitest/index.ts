import { expect } from 'vitest'
import { type MachineMatchers, machineMatchers } from './matchers'

export { type MachineFixtures, test, test as it } from './fixtures'
export type { MachineMatchers } from './matchers'
export { expect }

expect.extend(machineMatchers)

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: it has to be the parameter that Vitest's own declaration has
  interface Matchers<T = any> extends MachineMatchers {}
  interface ProvidedContext {
    /** Where the reports of failing tests go. */
    reportDirectory?: string | false
  }
}
