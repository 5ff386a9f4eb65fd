/** Lines of a stack before who opened the device: the error itself, this constructor, that of the device, and openUio(). */
const OWN_LINES = 4

/**
 * One of those who have a device open, as the others see it. It does not keep what it stands for from being collected.
 */
export class Holder {
  readonly #handle: WeakRef<object>
  readonly #madeAt: string

  constructor(handle: object) {
    this.#handle = new WeakRef(handle)
    this.#madeAt = (new Error().stack ?? '').split('\n').slice(OWN_LINES).join('\n')
  }

  /** Where it was made, if nobody can close it any more: what it has stays taken until the process ends. */
  get forgottenAt(): string | undefined {
    if (this.#handle.deref() !== undefined) return undefined
    return this.#madeAt || '    at an unknown place (a larger Error.stackTraceLimit tells)'
  }
}
