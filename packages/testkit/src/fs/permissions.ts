import { fail } from '../errors'
import type { FakeProcess } from '../process'
import type { Directory, Ownership } from './nodes'

export const readBit = 4
export const writeBit = 2

const sticky = 0o1000

/** Refuses what the mode of a node does not let this process do: `wanted` is of `readBit` and `writeBit`. `EACCES` */
export function checkMode(process: FakeProcess, path: string, node: Ownership, wanted: number): void {
  if (process.has('CAP_DAC_OVERRIDE')) return
  const { uid, gid } = process
  const shift = uid === node.uid ? 6 : gid === node.gid ? 3 : 0
  if (((node.mode >> shift) & wanted) === wanted) return
  const mode = node.mode.toString(8).padStart(4, '0')
  fail(
    'EACCES',
    `mode ${mode}, owner ${node.uid}:${node.gid}, and this process is uid ${uid}`,
    `as root, once: chown ${uid} ${path}; on a fake machine: machine.chown('${path}', ${uid})`,
  )
}

/** Refuses to take away another user's file where the directory is sticky, as /tmp is. `EPERM` */
export function checkSticky(process: FakeProcess, parent: Directory, uid: number): void {
  if ((parent.mode & sticky) === 0 || process.has('CAP_FOWNER')) return
  if (process.uid === uid || process.uid === parent.uid) return
  fail('EPERM', `the directory is sticky, and the file is uid ${uid}'s`)
}
