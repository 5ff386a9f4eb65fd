/** What a {@link DmaError} carries besides its message. */
export interface DmaErrorDetails {
  /** What to do next: a command to type, a line to change, a call to make first. */
  hint?: string
  /** Negative errno of the failed system call, as in Node's own system errors. */
  errno?: number
  /** The failed system call, for example `ioctl(VFIO_IOMMU_MAP_DMA)`. */
  syscall?: string
  /** The file that the failed system call named. */
  path?: string
  cause?: unknown
}

/**
 * The one error class of all `@linux-dma` packages.
 *
 * Match on {@link DmaError.code}, never on the message or with `instanceof`: a program that loads a package
 * both as ESM and as CommonJS has two copies of this class.
 *
 * A failed system call has the errno's name as its code (`EINVAL`, `ENOMEM`) and Node's `errno`, `syscall` and
 * `path` fields; what the library itself refuses has a code that starts with `DMA_`.
 */
export class DmaError extends Error {
  override readonly name = 'DmaError'
  readonly code: string
  // Declared only: a field of the class would be there, as undefined, in every error.
  declare readonly hint?: string
  declare readonly errno?: number
  declare readonly syscall?: string
  declare readonly path?: string

  constructor(code: string, message: string, details: DmaErrorDetails = {}) {
    const { hint, errno, syscall, path, cause } = details
    super(
      `${code}: ${message}${hint ? `\n  hint: ${hint}` : ''}`,
      cause === undefined ? undefined : { cause },
    )
    this.code = code
    // Absent fields stay absent, so that an error prints only what it knows.
    if (hint !== undefined) this.hint = hint
    if (errno !== undefined) this.errno = errno
    if (syscall !== undefined) this.syscall = syscall
    if (path !== undefined) this.path = path
  }
}

/** Whether `error` is a {@link DmaError} of this code, whichever copy of the class made it. */
export function isDmaError(error: unknown, code?: string): error is DmaError {
  return (
    error instanceof Error &&
    error.name === 'DmaError' &&
    (code === undefined || (error as DmaError).code === code)
  )
}
