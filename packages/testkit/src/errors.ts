import { DmaError } from '@linux-dma/native'

/** Linux's number and wording of each errno that the fake kernel gives. */
const errnos = {
  EPERM: [1, 'operation not permitted'],
  ENOENT: [2, 'no such file or directory'],
  ESRCH: [3, 'no such process'],
  EINTR: [4, 'interrupted system call'],
  EIO: [5, 'i/o error'],
  EBADF: [9, 'bad file descriptor'],
  EAGAIN: [11, 'resource temporarily unavailable'],
  ENOMEM: [12, 'not enough memory'],
  EACCES: [13, 'permission denied'],
  EFAULT: [14, 'bad address'],
  EBUSY: [16, 'resource busy or locked'],
  EEXIST: [17, 'already exists'],
  ENODEV: [19, 'no such device'],
  ENOTDIR: [20, 'not a directory'],
  EISDIR: [21, 'illegal operation on a directory'],
  EINVAL: [22, 'invalid argument'],
  ENFILE: [23, 'file table overflow'],
  EMFILE: [24, 'too many open files'],
  ENOTTY: [25, 'inappropriate ioctl for device'],
  EFBIG: [27, 'file too large'],
  ENOSPC: [28, 'no space left on device'],
  ESPIPE: [29, 'invalid seek'],
  EROFS: [30, 'read-only file system'],
  EPIPE: [32, 'broken pipe'],
  ERANGE: [34, 'result too large'],
  ENOSYS: [38, 'function not implemented'],
  ELOOP: [40, 'too many symbolic links'],
  ENXIO: [6, 'no such device or address'],
  EBADFD: [77, 'file descriptor in bad state'],
  EMSGSIZE: [90, 'message too long'],
  ENOTSOCK: [88, 'socket operation on non-socket'],
  EPROTOTYPE: [91, 'protocol wrong type for socket'],
  ENOTSUP: [95, 'operation not supported on socket'],
  EADDRINUSE: [98, 'address already in use'],
  ECONNABORTED: [103, 'software caused connection abort'],
  ECONNRESET: [104, 'connection reset by peer'],
  ENOBUFS: [105, 'no buffer space available'],
  ENOTCONN: [107, 'socket is not connected'],
  ETOOMANYREFS: [109, 'too many references'],
  ECONNREFUSED: [111, 'connection refused'],
} as const satisfies Record<string, readonly [number, string]>

/** Name of an errno that the fake kernel knows. */
export type ErrnoName = keyof typeof errnos

/** Whether `code` is an errno that the fake kernel can give. */
export function isErrnoName(code: string): code is ErrnoName {
  return Object.hasOwn(errnos, code)
}

/**
 * What goes wrong inside the fake kernel, before it is known which system call it will fail: the kernel's verbs
 * turn it into a {@link DmaError} with `syscall` and `path`.
 */
export class SystemFailure extends Error {
  constructor(
    readonly errno: ErrnoName,
    readonly reason?: string,
    readonly hint?: string,
  ) {
    super(reason ?? errno)
  }
}

/** Fails the system call under way. `reason` is what only a fake kernel can tell: why. */
export function fail(errno: ErrnoName, reason?: string, hint?: string): never {
  throw new SystemFailure(errno, reason, hint)
}

/** The {@link DmaError} of a failed system call, worded as Node.js words its own. */
export function systemError(failure: SystemFailure, syscall: string, path?: string): DmaError {
  const [number, text] = errnos[failure.errno]
  const subject = path === undefined ? syscall : `${syscall} '${path}'`
  const reason = failure.reason === undefined ? '' : `: ${failure.reason}`
  return new DmaError(failure.errno, `${text}, ${subject}${reason}`, {
    errno: -number,
    syscall,
    ...(path === undefined ? {} : { path }),
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
  })
}

/** Refuses an argument that no kernel would ever see: a programming mistake in the caller. */
export function invalidArgument(message: string, hint?: string): never {
  throw new DmaError('DMA_INVALID_ARGUMENT', message, hint === undefined ? {} : { hint })
}
