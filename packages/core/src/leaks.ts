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

/**
 * Reports `object` once, with where it was made, if it is garbage-collected before {@link closed} is called. What it
 * holds stays held: only a program that closes it knows when its device is at rest.
 */
export function watchForLeak(object: object, what: string, kernel: Kernel): void {
  const stack = new Error().stack ?? ''
  // The first line is the error's own name, the next two are this function and the constructor.
  unclosed.register(object, { what, kernel, where: stack.split('\n').slice(3).join('\n') }, object)
}

/** `object` was closed: nothing of it is left behind. */
export function closed(object: object): void {
  unclosed.unregister(object)
}
