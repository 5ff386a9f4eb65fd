import type { Addon } from './addon'
import type { FileDescriptor } from './kernel'
import { toDmaError } from './system-error'
import { checkDescriptor, checkInteger } from './validate'

const INT32_MAX = 0x7fffffff

/** What {@link Kernel.pidfdOpen} does. */
export function pidfdOpen(addon: Addon, pid: number): FileDescriptor {
  checkInteger('pid', pid, 1, INT32_MAX)
  try {
    return addon.pidfdOpen(pid)
  } catch (error) {
    throw toDmaError(error, { hint: (code) => openHint(code, pid) })
  }
}

/** What {@link Kernel.pidfdGetfd} does. */
export function pidfdGetfd(addon: Addon, pidfd: FileDescriptor, fd: FileDescriptor): FileDescriptor {
  checkDescriptor(pidfd, 'pidfd')
  checkDescriptor(fd)
  try {
    return addon.pidfdGetfd(pidfd, fd)
  } catch (error) {
    throw toDmaError(error, { hint: takeHint })
  }
}

function openHint(code: string, pid: number): string | undefined {
  if (code === 'ESRCH') return `no process has this id, or it has ended: ps -p ${pid}`
  if (code === 'EINVAL')
    return `${pid} is the id of a thread: pass its process's, Tgid in /proc/${pid}/status`
  return unavailable(code, '5.3')
}

function takeHint(code: string): string | undefined {
  switch (code) {
    case 'EPERM':
      return 'this takes the right to trace that process: the same user and sudo sysctl kernel.yama.ptrace_scope=0, or CAP_SYS_PTRACE; without it the process has to send the descriptor itself: sendMessage()'
    case 'ESRCH':
      return 'the process has ended'
    case 'EBADF':
      return 'pidfd is none of pidfdOpen(), or that process has no such descriptor open: ls -l /proc/PID/fd'
    default:
      return unavailable(code, '5.6')
  }
}

function unavailable(code: string, release: string): string | undefined {
  return code === 'ENOSYS'
    ? `this takes Linux ${release}, or a container's seccomp filter hides it; the process can send the descriptor itself: sendMessage()`
    : undefined
}
