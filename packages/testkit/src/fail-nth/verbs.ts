import type { Kernel } from '@linux-dma/native'

/** The verbs of a kernel that are system calls. */
type CallingVerb = Exclude<
  {
    [Name in keyof Kernel]-?: Kernel[Name] extends (...args: never[]) => unknown ? Name : never
  }[keyof Kernel],
  'warn' | 'live'
>

/** The system calls that a verb of the kernel makes, by the names that errors have. `ioctl`: of any request. */
export const syscallsOf = {
  open: ['open'],
  close: ['close'],
  duplicate: ['fcntl(F_DUPFD_CLOEXEC)'],
  read: ['read', 'pread'],
  write: ['write', 'pwrite'],
  ioctl: ['ioctl'],
  eventfd: ['eventfd'],
  poll: ['poll'],
  watch: ['epoll_ctl', 'read'],
  memfd: ['memfd_create'],
  addSeals: ['fcntl(F_ADD_SEALS)'],
  getSeals: ['fcntl(F_GET_SEALS)'],
  mmap: ['mmap'],
  mapRegisters: ['mmap'],
  mlock: ['mlock'],
  munlock: ['munlock'],
  pin: ['io_uring_setup', 'io_uring_register'],
  readPagemap: ['pread'],
  readText: ['open'],
  writeText: ['write'],
  list: ['scandir'],
  readLink: ['readlink'],
  unlink: ['unlink'],
  socketPair: ['socketpair'],
  listen: ['socket', 'bind', 'listen'],
  accept: ['accept4'],
  connect: ['socket', 'connect'],
  sendMessage: ['sendmsg'],
  receiveMessage: ['recvmsg'],
  pidfdOpen: ['pidfd_open'],
  pidfdGetfd: ['pidfd_getfd'],
} as const satisfies Readonly<Record<CallingVerb, readonly string[]>>

/** What only drivers of the kernel call, beside those. */
const inTheKernel = ['dma_alloc_coherent']

/** The names that errors have for system calls, but for those of `ioctl(REQUEST)`. */
export const syscallNames: readonly string[] = [
  ...new Set([...Object.values(syscallsOf).flat(), ...inTheKernel]),
].filter((name) => name !== 'ioctl')

/** Whether a verb, a system call or a pattern means this system call. */
export function isMeant(filter: string | RegExp, syscall: string): boolean {
  if (filter instanceof RegExp) return syscall.search(filter) >= 0
  if (filter === syscall) return true
  if (filter === 'ioctl') return syscall.startsWith('ioctl(')
  const made: readonly string[] = Object.hasOwn(syscallsOf, filter)
    ? syscallsOf[filter as keyof typeof syscallsOf]
    : []
  return made.includes(syscall)
}
