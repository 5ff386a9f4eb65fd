import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { Addon } from '../src/addon'

/** The addon whose system calls can be made to fail, one at a time, on the thread that asks. */
export interface FaultyAddon extends Addon {
  /** The nth call from now on (1 is the next) fails with a positive errno. */
  injectFault(name: string, nth: number, errno: number): void
  clearFaults(): void
  /** Calls made since `clearFaults()`, by name. */
  callCounts(): Record<string, number>
}

export const faultyAddonFile = fileURLToPath(
  new URL('../build/Faults/linux_dma_faults.node', import.meta.url),
)

export function loadFaultyAddon(): FaultyAddon {
  try {
    return createRequire(import.meta.url)(faultyAddonFile) as FaultyAddon
  } catch (cause) {
    throw new Error('build it first: npm run build:addon -w @linux-dma/native', { cause })
  }
}
