import { fail } from '../errors'
import type { Listener } from '../kernel/listener'
import { type FileAccess, OpenFile } from '../kernel/open-file'
import type { FakeProcess } from '../process'
import { type Directory, directory, type Node, type Ownership, type SocketNode, symbolicLink } from './nodes'
import { checkMode, checkSticky, readBit, writeBit } from './permissions'
import { TextOpenFile } from './text-open-file'

/** Links that may be followed in one path, as on Linux. */
const linkLimit = 40

/** What a new socket's file permits under the umask 022. */
const socketMode = 0o755

/** The one file tree of a fake machine: /dev, /sys, /proc, and /tmp, where everybody can make something. */
export class FileSystem {
  readonly #root = directory()
  readonly #process: FakeProcess

  constructor(process: FakeProcess) {
    this.#process = process
    this.put('/tmp', directory(new Map(), 0o1777))
  }

  /** Puts a node at an absolute path, and the directories above it where they are not there yet. */
  put(path: string, node: Node): void {
    const names = split(path)
    const name = names.pop()!
    let parent = this.#root
    names.forEach((part, index) => {
      let next = parent.entries.get(part)
      if (next === undefined) {
        next = directory()
        parent.entries.set(part, next)
      }
      if (next.kind === 'link') next = this.#walk(names.slice(0, index + 1).join('/'), true)
      if (next.kind !== 'directory') fail('ENOTDIR', `${part} of ${path}`)
      parent = next
    })
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
    const wanted = access === 'read' ? readBit : access === 'write' ? writeBit : readBit | writeBit
    if (node.kind === 'text') {
      if ((wanted & readBit && !node.read) || (wanted & writeBit && !node.write)) fail('EACCES')
    }
    checkMode(this.#process, path, node, wanted)
    if (node.kind === 'socket') return fail('ENXIO', 'it is a socket: kernel.connect()')
    return node.kind === 'device' ? node.open(access) : new TextOpenFile(path, access, node)
  }

  /** Makes the file of a socket, as bind(2) does. `EADDRINUSE`, `EACCES`, `ENOENT`. */
  makeSocket(path: string, listener: Listener): SocketNode {
    const { parent, name, top } = this.#place(path)
    if (name === undefined || parent.entries.get(name) !== undefined) {
      fail(
        'EADDRINUSE',
        'a file of this name is there',
        `where the process that made it has ended: kernel.unlink('${path}')`,
      )
    }
    if (top === 'proc') fail('ENOENT')
    checkMode(this.#process, path, parent, writeBit)
    if (top === 'sys') fail('EPERM', 'nobody makes files there')
    const { uid, gid } = this.#process
    const node: SocketNode = { kind: 'socket', mode: socketMode, uid, gid, listener }
    parent.entries.set(name, node)
    return node
  }

  /** Who listens at a path, if anybody does there. `EACCES` where the file is not to be written, `ENOENT`. */
  findSocket(path: string): Listener | undefined {
    const node = this.#walk(path, true)
    if (node.kind !== 'link' && node.kind !== 'magic') checkMode(this.#process, path, node, writeBit)
    return node.kind === 'socket' ? node.listener : undefined
  }

  /** unlink(2). */
  unlink(path: string): void {
    const { parent, name, top } = this.#place(path)
    if (name === undefined) fail('EISDIR', 'unlink() takes files')
    const node = parent.entries.get(name) ?? fail('ENOENT')
    checkMode(this.#process, path, parent, writeBit)
    checkSticky(this.#process, parent, node.kind === 'link' ? 0 : node.uid)
    if (node.kind === 'directory') fail('EISDIR', 'unlink() takes files')
    if (top === 'sys' || top === 'proc') fail('EPERM', 'nobody takes files away there')
    parent.entries.delete(name)
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

  /** Where a name is or would be, and below which directory of the root. No name for the root itself. */
  #place(path: string): { parent: Directory; name: string | undefined; top: string | undefined } {
    const names = split(path)
    const name = names.pop()
    const trail = this.#trail(names.join('/'), true)
    const parent = trail.at(-1)!
    if (parent.kind !== 'directory') return fail('ENOTDIR')
    const top = [...this.#root.entries.keys()].find((key) => this.#root.entries.get(key) === trail[1])
    return { parent, name: name === '..' ? undefined : name, top }
  }

  /** What is at a path; the last name is followed too where it is a link and `followLast` says so. */
  #walk(path: string, followLast: boolean): Node {
    return this.#trail(path, followLast).at(-1)!
  }

  /** The directories from the root to what is at a path, and that. */
  #trail(path: string, followLast: boolean): Node[] {
    const pending = split(path)
    const trail: Directory[] = [this.#root]
    let links = 0
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      const here = trail.at(-1)!
      if (name === '..') {
        if (trail.length > 1) trail.pop()
        continue
      }
      const found = here.entries.get(name)
      if (found === undefined) return fail('ENOENT')
      if (found.kind === 'link' && (pending.length > 0 || followLast)) {
        links++
        if (links > linkLimit) return fail('ELOOP')
        if (found.target.startsWith('/')) trail.length = 1
        pending.unshift(...split(found.target))
      } else if (found.kind === 'directory') {
        trail.push(found)
      } else {
        return pending.length > 0 ? fail('ENOTDIR') : [...trail, found]
      }
    }
    return trail
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
