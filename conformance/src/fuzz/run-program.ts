import type { Host } from '../host'
import type { AnyFamily, Outcome, Step } from './family'
import { outcomeOf } from './outcome'

/** A program in the course of being run on one machine. */
export interface Run {
  step(step: Step): Promise<Outcome>
  /** What is to be seen at the end. */
  observe(): Promise<Outcome>
  /** Closes everything. @returns what is open still, beyond what was before */
  end(): Promise<Outcome>
}

/** Begins a program of a family on a machine. */
export async function beginProgram(family: AnyFamily, host: Host): Promise<Run> {
  const before = host.kernel.live()
  const world = await family.setUp(host)
  return {
    step([name, words]) {
      const operation = family.operations[name]
      if (!operation) throw new Error(`the family ${family.name} has no operation '${name}'`)
      return outcomeOf(() => operation.run(words, world))
    },
    async observe() {
      return outcomeOf(() => family.observe?.(world))
    },
    async end() {
      await family.tearDown(world)
      const { descriptors, mappings, mappedBytes, watches } = host.kernel.live()
      return {
        descriptors: descriptors - before.descriptors,
        mappings: mappings - before.mappings,
        mappedBytes: mappedBytes - before.mappedBytes,
        watches: watches - before.watches,
      }
    },
  }
}
