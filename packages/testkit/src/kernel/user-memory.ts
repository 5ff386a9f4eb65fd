import { fail } from '../errors'

/** The third argument of ioctl(2) as the kernel sees it: a number, or a pointer to the caller's bytes. */
export class UserMemory {
  readonly #argument: Uint8Array | number | undefined

  constructor(argument: Uint8Array | number | undefined) {
    this.#argument = argument
  }

  /** The argument passed by value. A pointer is never a value that a request knows. */
  get value(): number {
    return typeof this.#argument === 'object' ? Number.NaN : (this.#argument ?? 0)
  }

  /**
   * At least `byteLength` of the caller's bytes, in place: reading is copy_from_user, writing copy_to_user.
   * A null pointer is `EFAULT`; so are too few bytes, where the real kernel would use what lies behind them.
   */
  view(byteLength: number): DataView {
    const bytes = this.#argument
    if (typeof bytes !== 'object') fail('EFAULT', 'the argument is not a pointer to bytes')
    if (bytes.byteLength < byteLength) {
      fail('EFAULT', `the argument has ${bytes.byteLength} bytes and the kernel accesses ${byteLength}`)
    }
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /**
   * A structure whose first field is `argsz`: `EINVAL` when it says less than `minimum`. What the kernel may write
   * is bounded by `argsz`, so the bytes have to be there.
   */
  sized(minimum: number): { view: DataView; argsz: number } {
    const view = this.view(minimum)
    const argsz = view.getUint32(0, true)
    if (argsz < minimum) fail('EINVAL', `argsz is ${argsz}, less than the ${minimum} bytes of the structure`)
    return { view, argsz }
  }

  /** A NUL-terminated string of fewer than `limit` bytes. */
  text(limit: number): string {
    const view = this.view(1)
    const bytes = new Uint8Array(view.buffer, view.byteOffset, Math.min(view.byteLength, limit))
    const end = bytes.indexOf(0)
    if (end < 0) fail(view.byteLength < limit ? 'EFAULT' : 'EINVAL', 'the string has no terminating zero')
    return new TextDecoder().decode(bytes.subarray(0, end))
  }
}
