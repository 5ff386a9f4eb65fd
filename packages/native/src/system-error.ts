import { constants } from 'node:os'
import { dirname } from 'node:path'
import { getSystemErrorMap } from 'node:util'
import { DmaError } from './errors'

/** What a caller knows of a failed call besides its errno. */
export interface ErrorContext {
  path?: string
  /** In place of the native call's name, for example `ioctl(VFIO_IOMMU_MAP_DMA)`. */
  syscall?: string
  /** Wins over the hint that the errno has by itself. Not called where the error is of another kind. */
  hint?: (code: string) => string | undefined
}

interface NativeError extends Error {
  code?: string
  errno?: number
  syscall?: string
  path?: string
}

/** What Node.js has no name for, and Linux answers. */
const LINUX_ONLY = new Map<number, [code: string, text: string]>([
  [-77, ['EBADFD', 'file descriptor in bad state']],
  [-109, ['ETOOMANYREFS', 'too many references']],
])

/** The error's name and text: of libuv's list, as in Node's own errors; of Linux's where libuv has none. */
function describe(errno: number): [code: string, text: string] {
  const known = getSystemErrorMap().get(errno) ?? LINUX_ONLY.get(errno)
  if (known !== undefined) return known
  const name = Object.entries(constants.errno).find(([, value]) => value === -errno)?.[0]
  return name === undefined ? [`E${-errno}`, `errno ${-errno}`] : [name, name]
}

/**
 * A {@link DmaError} for what the addon, or a synchronous function of `node:fs`, has thrown; errors of any other
 * kind come back as they are.
 */
export function toDmaError(thrown: unknown, context: ErrorContext = {}): unknown {
  if (!(thrown instanceof Error) || thrown instanceof DmaError) return thrown
  const error = thrown as NativeError
  const syscall = context.syscall ?? error.syscall ?? 'system call'
  if (error.errno !== undefined)
    return systemError(error.errno, { ...context, syscall, path: context.path ?? error.path! })
  if (error.code?.startsWith('DMA_')) return refusal(error, context)
  return thrown
}

/** A {@link DmaError} for a negative errno. */
export function systemError(errno: number, context: ErrorContext & { syscall: string }): DmaError {
  const { path, syscall } = context
  const [code, text] = describe(errno)
  const hint = context.hint?.(code) ?? commonHint(code, syscall, path)
  return new DmaError(code, `${text}, ${syscall}${path === undefined ? '' : ` '${path}'`}`, {
    errno,
    syscall,
    ...(path === undefined ? {} : { path }),
    ...(hint === undefined ? {} : { hint }),
  })
}

const REFUSALS: Record<string, [message: string, hint: string]> = {
  DMA_UNSEALED: [
    'this file can shrink while it is mapped, and a read past its new end would end the process (SIGBUS)',
    'map a memfd of kernel.memfd(), or seal this file first: kernel.addSeals(fd, F_SEAL_SHRINK)',
  ],
  DMA_BEYOND_END: [
    'the range goes past the end of the file, where a read would end the process (SIGBUS)',
    'ask for a shorter byteLength or an earlier position, or make the file longer',
  ],
  DMA_NO_EXTERNAL_BUFFERS: [
    'this runtime allows no ArrayBuffer over mapped memory (Electron 21 and later is one that does not)',
    'use the mapping in a plain Node.js process, for example one started with utilityProcess or child_process',
  ],
}

function refusal(error: NativeError, context: ErrorContext): DmaError {
  const code = error.code!
  const [message, hint] = REFUSALS[code] ?? [error.message, undefined]
  return new DmaError(code, message, {
    ...(error.syscall === undefined ? {} : { syscall: context.syscall ?? error.syscall }),
    ...(context.path === undefined ? {} : { path: context.path }),
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  })
}

function commonHint(code: string, syscall: string, path: string | undefined): string | undefined {
  switch (code) {
    case 'EMFILE':
      return `the process has no descriptor left: close some, or raise the limit: sudo prlimit --pid ${process.pid} --nofile=65536`
    case 'ENFILE':
      return 'the whole system has no descriptor left: sudo sysctl fs.file-max=1000000'
    case 'EACCES':
    case 'EPERM':
      return path === undefined
        ? undefined
        : `let this user in: sudo setfacl -m u:$USER:rw ${path} (sysfs: sudo chown $USER ${path})`
    case 'ENOENT':
      return path === undefined ? undefined : `look what is there: ls -l ${dirname(path)}`
    case 'EBADF':
      return syscall === 'close'
        ? 'the descriptor is not open, or was not opened through this kernel on this thread'
        : 'the descriptor is not open: was it closed?'
    default:
      return undefined
  }
}
