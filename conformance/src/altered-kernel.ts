import type { Kernel } from '@linux-dma/core'

/** The same kernel, some of whose verbs are a test's own: to listen, or to fail. */
export function alteredKernel(kernel: Kernel, verbs: Partial<Kernel>): Kernel {
  return new Proxy(kernel, {
    get(target, key) {
      const own = Reflect.get(verbs, key)
      if (own !== undefined) return own
      const value = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
