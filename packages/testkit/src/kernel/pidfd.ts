import { OpenFile } from './open-file'

/** pidfd_open(2): a process by descriptor. Readable once the process has ended, which the fake's own never does. */
export class PidFd extends OpenFile {
  override readonly waitable = true

  constructor(readonly pid: number) {
    super('anon_inode:[pidfd]')
  }

  override get statusFlags(): number {
    return 0o2
  }

  override get infoLines(): readonly string[] {
    return [`Pid:\t${this.pid}`, `NSpid:\t${this.pid}`]
  }

  override reopen(): OpenFile {
    return new PidFd(this.pid)
  }

  override pollMask(): number {
    return 0
  }
}
