import type { Listener } from '../kernel/listener'
import type { FileAccess, OpenFile } from '../kernel/open-file'

/** Who may do what with a node: permission bits as in chmod(1), owner and group. */
export interface Ownership {
  mode: number
  uid: number
  gid: number
}

/** A directory: names and what they stand for. */
export interface Directory extends Ownership {
  readonly kind: 'directory'
  readonly entries: Entries
}

/** The names in a directory: a Map, or what makes its nodes when it is asked. */
export interface Entries {
  get(name: string): Node | undefined
  keys(): Iterable<string>
  set(name: string, node: Node): void
  delete(name: string): void
}

/** A file in sysfs or procfs: text that is made when it is read, and acted on when it is written. */
export interface TextFile extends Ownership {
  readonly kind: 'text'
  readonly read?: () => string
  readonly write?: (text: string) => void
  /** What the file was about is gone, and the file with it: who has it open is told so. */
  removed?: boolean
}

/** Anything that answers open(2) in its own way. */
export interface DeviceNode extends Ownership {
  readonly kind: 'device'
  readonly open: (access: FileAccess) => OpenFile
}

/** The file that a socket of AF_UNIX is found by. It stays when nobody listens any more. */
export interface SocketNode extends Ownership {
  readonly kind: 'socket'
  listener?: Listener
}

/** A symbolic link. */
export interface SymbolicLink {
  readonly kind: 'link'
  readonly target: string
}

/** A link of procfs: it reads as a text, and leads to a file that the text need not find. */
export interface MagicLink extends Ownership {
  readonly kind: 'magic'
  readonly target: string
  readonly open: (access: FileAccess) => OpenFile
}

export type Node = Directory | TextFile | DeviceNode | SocketNode | SymbolicLink | MagicLink

const root = { uid: 0, gid: 0 }

export function directory(entries: Entries = new Map(), mode = 0o755): Directory {
  return { kind: 'directory', mode, ...root, entries }
}

/** A text file. What it cannot do it also does not permit, not even to root, as in sysfs. */
export function textFile(
  read: (() => string) | undefined,
  write?: (text: string) => void,
  mode = (read ? 0o444 : 0) | (write ? 0o200 : 0),
): TextFile {
  return { kind: 'text', mode, ...root, ...(read ? { read } : {}), ...(write ? { write } : {}) }
}

export function deviceNode(mode: number, open: (access: FileAccess) => OpenFile): DeviceNode {
  return { kind: 'device', mode, ...root, open }
}

export function symbolicLink(target: string): SymbolicLink {
  return { kind: 'link', target }
}

export function magicLink(target: string, open: (access: FileAccess) => OpenFile): MagicLink {
  return { kind: 'magic', mode: 0o777, ...root, target, open }
}
