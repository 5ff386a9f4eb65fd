import { fail } from '../errors'
import type { DescriptorTable } from '../kernel/descriptor-table'
import type { OpenFile } from '../kernel/open-file'
import type { FileSystem } from './file-system'
import { directory, type Entries, magicLink, type Node, textFile } from './nodes'

/** Puts `/proc/self/fd` and `/proc/self/fdinfo` in place: what is open at the moment they are looked at. */
export function mountDescriptors(fs: FileSystem, descriptors: DescriptorTable): void {
  fs.put(
    '/proc/self/fd',
    directory(
      eachDescriptor(descriptors, (file) => magicLink(linkText(file), (access) => file.reopen(access))),
    ),
  )
  fs.put(
    '/proc/self/fdinfo',
    directory(eachDescriptor(descriptors, (file) => textFile(() => infoText(file)))),
  )
}

function eachDescriptor(descriptors: DescriptorTable, node: (file: OpenFile) => Node): Entries {
  const readOnly = () => fail('EPERM', 'nobody makes entries there')
  return {
    get(name) {
      const file = /^(0|[1-9]\d*)$/.test(name) ? descriptors.find(Number(name)) : undefined
      return file && node(file)
    },
    keys: () => descriptors.numbers().map(String),
    set: readOnly,
    delete: readOnly,
  }
}

/** As Linux writes them: a file in memory has no name that anything could be found by. */
function linkText({ path }: OpenFile): string {
  return path.startsWith('/memfd:') ? `${path} (deleted)` : path
}

function infoText({ position, access, inode }: OpenFile): string {
  const mode = { read: 0, write: 1, 'read-write': 2 }[access]
  // O_CLOEXEC and O_LARGEFILE are always on.
  return `pos:\t${position}\nflags:\t0${(mode | 0o2100000).toString(8)}\nmnt_id:\t1\nino:\t${inode}\n`
}
