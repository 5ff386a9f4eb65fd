import type { Kernel } from '@linux-dma/core'

const PROCESSES = '/proc'

/**
 * Another process that has a file open, as far as this one may look: of processes of other users only root sees it. One look at
 * all descriptors there are, so not for every day.
 */
export function otherProcessWith(kernel: Kernel, path: string): number | undefined {
  const own = quietly(() => kernel.readLink(`${PROCESSES}/self`))
  const others = (quietly(() => kernel.list(PROCESSES)) ?? []).filter(
    (name) => /^\d+$/.test(name) && name !== own,
  )
  const found = others.find((pid) => {
    const folder = `${PROCESSES}/${pid}/fd`
    const descriptors = quietly(() => kernel.list(folder)) ?? []
    return descriptors.some((fd) => quietly(() => kernel.readLink(`${folder}/${fd}`)) === path)
  })
  return found === undefined ? undefined : Number(found)
}

/** What may not be looked at, or has ended meanwhile, tells nothing. */
function quietly<Result>(look: () => Result): Result | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}
