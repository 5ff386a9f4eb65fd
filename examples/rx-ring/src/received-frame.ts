/** A frame on its way up. Give it back, by `using` or `release()`, when you are done with its bytes. */
export class ReceivedFrame implements Disposable {
  /** The frame without its checksum. */
  readonly bytes: Uint8Array
  /** Whether these are a copy; else they are the buffer that the card wrote into. */
  readonly copied: boolean
  #onRelease: (() => void) | undefined

  constructor(bytes: Uint8Array, copied: boolean, onRelease: () => void) {
    this.bytes = bytes
    this.copied = copied
    this.#onRelease = onRelease
  }

  /** Lets the buffer be used for another frame. Idempotent. */
  release(): void {
    const release = this.#onRelease
    this.#onRelease = undefined
    release?.()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}
