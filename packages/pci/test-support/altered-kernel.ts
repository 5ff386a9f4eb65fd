import type { Kernel } from '@linux-dma/core'

/** The same kernel, some calls of which are answered differently. */
export function alteredKernel(kernel: Kernel, verbs: Partial<Kernel>): Kernel {
  return new Proxy(kernel, {
    get(target, verb) {
      const own = verbs[verb as keyof Kernel]
      if (own !== undefined) return own
      const value = target[verb as keyof Kernel]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
