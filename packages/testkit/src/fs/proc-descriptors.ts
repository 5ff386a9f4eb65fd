import { O_CLOEXEC } from '@linux-dma/native'
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
      eachDescriptor(descriptors, (file) => magicLink(file.linkText, (access) => file.reopen(access))),
    ),
  )
  fs.put(
    '/proc/self/fdinfo',
    directory(
      eachDescriptor(descriptors, (file, number) =>
        textFile(() => infoText(file, descriptors.closesOnExec(number))),
      ),
    ),
  )
}

function eachDescriptor(
  descriptors: DescriptorTable,
  node: (file: OpenFile, descriptor: number) => Node,
): Entries {
  const readOnly = () => fail('EPERM', 'nobody makes entries there')
  return {
    get(name) {
      const file = /^(0|[1-9]\d*)$/.test(name) ? descriptors.find(Number(name)) : undefined
      return file && node(file, Number(name))
    },
    keys: () => descriptors.numbers().map(String),
    set: readOnly,
    delete: readOnly,
  }
}

function infoText(file: OpenFile, closeOnExec: boolean): string {
  const flags = file.statusFlags | (closeOnExec ? O_CLOEXEC : 0)
  const lines = [
    `pos:\t${file.position}`,
    `flags:\t0${flags.toString(8)}`,
    'mnt_id:\t1',
    `ino:\t${file.inode}`,
  ]
  return [...lines, ...file.infoLines].map((line) => `${line}\n`).join('')
}
