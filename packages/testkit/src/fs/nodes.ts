import type { FileAccess, OpenFile } from '../kernel/open-file'

/** Who may do what with a node: permission bits as in chmod(1), owner and group. */
interface Ownership {
  mode: number
  uid: number
  gid: number
}

/** A directory: names and what they stand for. */
export interface Directory extends Ownership {
  readonly kind: 'directory'
  readonly entries: Map<string, Node>
}

/** A file in sysfs or procfs: text that is made when it is read, and acted on when it is written. */
export interface TextFile extends Ownership {
  readonly kind: 'text'
  readonly read?: () => string
  readonly write?: (text: string) => void
}

/** Anything that answers open(2) in its own way. */
export interface DeviceNode extends Ownership {
  readonly kind: 'device'
  readonly open: (access: FileAccess) => OpenFile
}

/** A symbolic link. */
export interface SymbolicLink {
  readonly kind: 'link'
  readonly target: string
}

export type Node = Directory | TextFile | DeviceNode | SymbolicLink

const root = { uid: 0, gid: 0 }

export function directory(): Directory {
  return { kind: 'directory', mode: 0o755, ...root, entries: new Map() }
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
