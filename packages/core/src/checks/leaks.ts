import { DmaError, type Kernel } from '@linux-dma/native'

interface Made {
  readonly what: string
  readonly kernel: Kernel
  readonly where: string
}

const unclosed = /* @__PURE__ */ new FinalizationRegistry<Made>(({ what, kernel, where }) => {
  kernel.warn(
    new DmaError('DMA_LEAK', `${what} was forgotten: it was garbage-collected without close()`, {
      hint: `declare it with 'using', or call close(); it was made\n${where}`,
    }),
  )
})

/** To take down where something was made costs ten microseconds: done for each of the first ones, then for some. */
const FIRST = 100
const ONE_IN = 32
let made = 0

function callSite(): string {
  made++
  if (made > FIRST && made % ONE_IN !== 0) {
    return `    at a place that was not taken down: it is for the first ${FIRST} and one in ${ONE_IN} of those after`
  }
  // The first line is the error's own name, the next three are these functions and the constructor.
  return (new Error().stack ?? '').split('\n').slice(4).join('\n')
}

/**
 * Reports `object` once, with where it was made, if it is garbage-collected before {@link closed} is called. What it
 * holds stays held: only a program that closes it knows when its device is at rest.
 */
export function watchForLeak(object: object, what: string, kernel: Kernel): void {
  unclosed.register(object, { what, kernel, where: callSite() }, object)
}

/** `object` was closed: nothing of it is left behind. */
export function closed(object: object): void {
  unclosed.unregister(object)
}
