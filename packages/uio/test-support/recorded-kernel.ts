import { DmaError, type Kernel } from '@linux-dma/core'

/** What a path of a recorded machine is: the text of a file, bytes of one, or `-> target` for a link. */
export type Recording = Readonly<Record<string, string | Uint8Array>>

const LINK = '-> '

/**
 * A kernel of which only files can be read: those of a recording, by absolute path. For machines that nobody has at hand.
 * A function in place of the recording is asked at each access, so that a machine can change under whoever reads it.
 */
export function recordedKernel(
  recording: Recording | ((path: string) => Recording),
  pageSize = 4096,
): Kernel {
  const filesAt = typeof recording === 'function' ? recording : () => recording
  const opened = new Map<number, Uint8Array>()
  const files = {
    name: 'recorded',
    pageSize,
    readText(path: string): string {
      const content = contentOf(filesAt(path), path)
      if (typeof content !== 'string') throw failure('EISDIR', path)
      return content
    },
    list(path: string): string[] {
      return listOf(filesAt(path), path)
    },
    readLink(path: string): string {
      const all = filesAt(path)
      const target = linkOf(all, follow(all, path, false))
      if (target !== undefined) return target
      const there = Object.keys(all).some((file) => `${file}/`.startsWith(`${follow(all, path, false)}/`))
      throw failure(there ? 'EINVAL' : 'ENOENT', path)
    },
    open(path: string): number {
      const content = contentOf(filesAt(path), path)
      const fd = opened.size + 3
      opened.set(fd, typeof content === 'string' ? new TextEncoder().encode(content) : content)
      return fd
    },
    read(fd: number, bytes: Uint8Array, position = 0): number {
      const content = opened.get(fd)!.subarray(position, position + bytes.byteLength)
      bytes.set(content)
      return content.byteLength
    },
    close(fd: number): void {
      opened.delete(fd)
    },
    live: () => ({ descriptors: opened.size, mappings: 0, mappedBytes: 0, watches: 0 }),
  }
  return files as unknown as Kernel
}

function contentOf(files: Recording, path: string): string | Uint8Array {
  const content = files[follow(files, path, true)]
  if (content === undefined) throw failure('ENOENT', path)
  return content
}

function listOf(files: Recording, path: string): string[] {
  const folder = `${follow(files, path, true)}/`
  const inside = Object.keys(files).filter((file) => file.startsWith(folder))
  if (inside.length === 0) throw failure('ENOENT', path)
  return [...new Set(inside.map((file) => file.slice(folder.length).split('/')[0]!))].sort()
}

function linkOf(files: Recording, path: string): string | undefined {
  const content = files[path]
  return typeof content === 'string' && content.startsWith(LINK) ? content.slice(LINK.length) : undefined
}

/** A path without the links in it, as the file system follows them. */
function follow(files: Recording, path: string, followLast: boolean): string {
  let at = ''
  const names = path.split('/').filter((name) => name !== '')
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '..') {
      at = at.slice(0, at.lastIndexOf('/'))
      continue
    }
    const target = names.length > 0 || followLast ? linkOf(files, `${at}/${name}`) : undefined
    if (target === undefined) at = `${at}/${name}`
    else names.unshift(...target.split('/'))
    if (target?.startsWith('/')) at = ''
  }
  return at
}

function failure(code: string, path: string): DmaError {
  return new DmaError(code, `nothing is recorded there: ${path}`, { path, syscall: 'open' })
}
