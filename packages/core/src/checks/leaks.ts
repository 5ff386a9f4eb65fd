import { DmaError, type Kernel } from '@linux-dma/native'

interface Made {
  readonly what: string
  readonly byteLength: number | undefined
  readonly kernel: Kernel
  readonly where: string
}

const unclosed = /* @__PURE__ */ new FinalizationRegistry<Made>(({ what, byteLength, kernel, where }) => {
  const whole = byteLength === undefined ? what : `${what} of ${byteLength} bytes`
  kernel.warn(
    new DmaError('DMA_LEAK', `${whole} was forgotten: it was garbage-collected without close()`, {
      hint: `declare it with 'using', or call close(); it was made\n${where}`,
    }),
  )
})

/**
 * To take down where something was made costs ten microseconds: done for each of the first ones of a kind, then for some. A program
 * that forgets things in a loop forgets enough of them.
 */
const FIRST = 100
const ONE_IN = 1024

const NOT_TAKEN_DOWN = `    at a place that was not taken down: that is done for the first ${FIRST} of a kind, and for one in ${ONE_IN} after them`

/** What is known by one name. */
interface Kind {
  made: number
  /** The last one of a place that was not taken down. What the registry holds outlives the object: one for many is less to collect. */
  last: Made | undefined
}

/** By what each kernel's are called. Nothing here keeps a kernel. */
const kindsOf = /* @__PURE__ */ new WeakMap<Kernel, Map<string, Kind>>()

/**
 * Reports `object` once, with where it was made, if it is garbage-collected before {@link closed} is called. What it
 * holds stays held: only a program that closes it knows when its device is at rest.
 * @param byteLength how large it is, where its name is not enough
 */
export function watchForLeak(object: object, what: string, kernel: Kernel, byteLength?: number): void {
  unclosed.register(object, describe(what, kernel, byteLength), object)
}

function describe(what: string, kernel: Kernel, byteLength: number | undefined): Made {
  const kind = kindOf(what, kernel)
  kind.made++
  if (kind.made <= FIRST || kind.made % ONE_IN === 0) {
    // The first line is the error's own name, the next three are these functions and the constructor.
    const where = (new Error().stack ?? '').split('\n').slice(4).join('\n')
    return { what, byteLength, kernel, where }
  }
  if (kind.last === undefined || kind.last.byteLength !== byteLength) {
    kind.last = { what, byteLength, kernel, where: NOT_TAKEN_DOWN }
  }
  return kind.last
}

function kindOf(what: string, kernel: Kernel): Kind {
  let kinds = kindsOf.get(kernel)
  if (kinds === undefined) {
    kinds = new Map()
    kindsOf.set(kernel, kinds)
  }
  let kind = kinds.get(what)
  if (kind === undefined) {
    kind = { made: 0, last: undefined }
    kinds.set(what, kind)
  }
  return kind
}

/** `object` was closed: nothing of it is left behind. */
export function closed(object: object): void {
  unclosed.unregister(object)
}
