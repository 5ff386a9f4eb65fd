import { fail } from '../errors'
import { type FileAccess, OpenFile } from '../kernel/open-file'
import type { FakeProcess } from '../process'
import { type Directory, directory, type Node, type Ownership, symbolicLink } from './nodes'
import { TextOpenFile } from './text-open-file'

/** Links that may be followed in one path, as on Linux. */
const linkLimit = 40

const readBit = 4
const writeBit = 2

/** The one file tree of a fake machine: /dev, /sys and /proc. */
export class FileSystem {
  readonly #root = directory()
  readonly #process: FakeProcess

  constructor(process: FakeProcess) {
    this.#process = process
  }

  /** Puts a node at an absolute path, and the directories above it where they are not there yet. */
  put(path: string, node: Node): void {
    const names = split(path)
    const name = names.pop()!
    let parent = this.#root
    for (const part of names) {
      let next = parent.entries.get(part)
      if (next === undefined) {
        next = directory()
        parent.entries.set(part, next)
      }
      if (next.kind !== 'directory') fail('ENOTDIR', `${part} of ${path}`)
      parent = next
    }
    parent.entries.set(name, node)
  }

  /** A link whose text leads from where it is to `target`, an absolute path, as sysfs writes its links. */
  link(path: string, target: string): void {
    const from = split(path).slice(0, -1)
    const to = split(target)
    let common = 0
    // The last name is always written out, also where the link lies below its target.
    while (common < from.length && common < to.length - 1 && from[common] === to[common]) common++
    this.put(path, symbolicLink([...from.slice(common).map(() => '..'), ...to.slice(common)].join('/')))
  }

  /** Takes away what is at a path; nothing there is nothing done. */
  remove(path: string): void {
    const names = split(path)
    const name = names.pop()!
    const parent = this.#walk(`/${names.join('/')}`, true)
    if (parent.kind !== 'directory') return
    const node = parent.entries.get(name)
    if (node !== undefined) markRemoved(node)
    parent.entries.delete(name)
  }

  open(path: string, access: FileAccess): OpenFile {
    const node = this.#walk(path, true)
    if (node.kind === 'directory') {
      if (access !== 'read') fail('EISDIR')
      return new OpenDirectory(path, access)
    }
    if (node.kind === 'link') return fail('ELOOP')
    if (node.kind === 'magic') return node.open(access)
    this.#checkAccess(path, node, access)
    return node.kind === 'device' ? node.open(access) : new TextOpenFile(path, access, node)
  }

  list(path: string): string[] {
    const node = this.#walk(path, true)
    if (node.kind !== 'directory') return fail('ENOTDIR')
    return [...node.entries.keys()].sort()
  }

  readLink(path: string): string {
    const node = this.#walk(path, false)
    return node.kind === 'link' || node.kind === 'magic'
      ? node.target
      : fail('EINVAL', 'it is no symbolic link')
  }

  /** Changes a node's owner, as a udev rule or an administrator would. */
  changeOwner(path: string, uid: number, gid: number): void {
    const node = this.#walk(path, true)
    if (node.kind !== 'link') Object.assign(node, { uid, gid })
  }

  changeMode(path: string, mode: number): void {
    const node = this.#walk(path, true)
    if (node.kind !== 'link') node.mode = mode
  }

  /** stat(2), as far as permissions go. */
  stat(path: string): Ownership {
    const node = this.#walk(path, true)
    if (node.kind === 'link') return fail('ELOOP')
    const { mode, uid, gid } = node
    return { mode, uid, gid }
  }

  #checkAccess(
    path: string,
    node: Exclude<Node, { kind: 'directory' | 'link' | 'magic' }>,
    access: FileAccess,
  ): void {
    const wanted = access === 'read' ? readBit : access === 'write' ? writeBit : readBit | writeBit
    if (node.kind === 'text') {
      if ((wanted & readBit && !node.read) || (wanted & writeBit && !node.write)) fail('EACCES')
    }
    const { uid, gid } = this.#process
    if (this.#process.has('CAP_DAC_OVERRIDE')) return
    const shift = uid === node.uid ? 6 : gid === node.gid ? 3 : 0
    if (((node.mode >> shift) & wanted) === wanted) return
    const mode = node.mode.toString(8).padStart(4, '0')
    fail(
      'EACCES',
      `mode ${mode}, owner ${node.uid}:${node.gid}, and this process is uid ${uid}`,
      `as root, once: chown ${uid} ${path}; on a fake machine: machine.chown('${path}', ${uid})`,
    )
  }

  /** Follows a path; the last name is followed too where it is a link and `followLast` says so. */
  #walk(path: string, followLast: boolean): Node {
    const pending = split(path)
    const trail: Directory[] = [this.#root]
    let links = 0
    let node: Node = this.#root
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      const here = trail.at(-1)!
      if (name === '..') {
        if (trail.length > 1) trail.pop()
        node = trail.at(-1)!
        continue
      }
      const found = here.entries.get(name)
      if (found === undefined) return fail('ENOENT')
      node = found
      if (found.kind === 'link' && (pending.length > 0 || followLast)) {
        links++
        if (links > linkLimit) return fail('ELOOP')
        if (found.target.startsWith('/')) trail.length = 1
        pending.unshift(...split(found.target))
        node = trail.at(-1)!
      } else if (found.kind === 'directory') {
        trail.push(found)
      } else if (pending.length > 0) {
        return fail('ENOTDIR')
      }
    }
    return node
  }
}

/** Tells the text files in a tree, which may be open, that they are no more. */
function markRemoved(node: Node): void {
  if (node.kind === 'text') node.removed = true
  if (node.kind !== 'directory') return
  for (const name of node.entries.keys()) markRemoved(node.entries.get(name)!)
}

class OpenDirectory extends OpenFile {
  override readAt(): number {
    return fail('EISDIR')
  }
}

function split(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}
