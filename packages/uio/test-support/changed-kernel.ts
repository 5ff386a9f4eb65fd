import type { Kernel } from '@linux-dma/core'

/** The kernel as another process has it: what this one has open is not its own. */
export function alone(kernel: Kernel): Kernel {
  return new Proxy(kernel, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target)
      if (name === 'list') return (folder: string) => (folder === '/proc/self/fd' ? [] : target.list(folder))
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** A kernel on which another process has a file open. */
export function withProcess(kernel: Kernel, path: string): Kernel {
  return new Proxy(kernel, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target)
      if (name === 'list') {
        return (folder: string) =>
          folder === '/proc'
            ? ['self', '66', '77']
            : folder === '/proc/77/fd'
              ? ['0', '9']
              : target.list(folder)
      }
      if (name === 'readLink') {
        return (link: string) =>
          link === '/proc/77/fd/9' ? path : link === '/proc/77/fd/0' ? '/dev/null' : target.readLink(link)
      }
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** A kernel that has another text in a file. */
export function withFile(kernel: Kernel, file: string, text: string): Kernel {
  return new Proxy(kernel, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target)
      if (name === 'readText') return (path: string) => (path.endsWith(file) ? text : target.readText(path))
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
