/** Linux's numbers, the same on every architecture that Node.js runs on with 64 bits. */

export const O_RDONLY = 0o0
export const O_WRONLY = 0o1
export const O_RDWR = 0o2
export const O_NONBLOCK = 0o4000
export const O_CLOEXEC = 0o2000000

export const POLLIN = 0x01
export const POLLPRI = 0x02
export const POLLOUT = 0x04
export const POLLERR = 0x08
export const POLLHUP = 0x10
export const POLLNVAL = 0x20

export const F_SEAL_SEAL = 0x01
export const F_SEAL_SHRINK = 0x02
export const F_SEAL_GROW = 0x04
export const F_SEAL_WRITE = 0x08
export const F_SEAL_FUTURE_WRITE = 0x10
