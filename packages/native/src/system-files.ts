import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, unlinkSync, writeSync } from 'node:fs'
import { O_WRONLY } from './constants'
import { systemError, toDmaError } from './system-error'
import { checkText } from './validate'

// The synchronous functions of node:fs make their system call on this thread: none of the four threads of libuv's
// pool is taken, which a driver's slow attribute could hold for long.

function onPath<Value>(path: string, call: () => Value): Value {
  checkText('path', path)
  try {
    return call()
  } catch (error) {
    throw toDmaError(error, { path })
  }
}

/** What {@link Kernel.readText} does. */
export function readText(path: string): string {
  return onPath(path, () => readFileSync(path, 'utf8'))
}

/** What {@link Kernel.writeText} does. */
export function writeText(path: string, text: string): void {
  checkAttribute(text)
  onPath(path, () => {
    const fd = openSync(path, O_WRONLY)
    try {
      const bytes = Buffer.from(text)
      // An attribute takes each write as a whole: the rest of a short one would be taken for another value.
      if (writeSync(fd, bytes) !== bytes.byteLength) throw systemError(-5, { syscall: 'write', path })
    } finally {
      closeSync(fd)
    }
  })
}

/** What {@link Kernel.list} does. */
export function list(path: string): string[] {
  return onPath(path, () => readdirSync(path).sort())
}

/** What {@link Kernel.readLink} does. */
export function readLink(path: string): string {
  return onPath(path, () => readlinkSync(path))
}

/** What {@link Kernel.unlink} does. */
export function unlink(path: string): void {
  onPath(path, () => unlinkSync(path))
}

function checkAttribute(text: string): void {
  if (text !== '') checkText('text', text)
}
