import type { Kernel } from '@linux-dma/native'
import { DmaChecker } from './dma-checker'

const byKernel = /* @__PURE__ */ new WeakMap<Kernel, DmaChecker>()

/** The checker that a kernel wants for all of its devices: a fake machine's does. One for all of them. @internal */
export function checkerOf(kernel: Kernel): DmaChecker | undefined {
  const { dmaChecks } = kernel
  if (dmaChecks === undefined) return undefined
  let checker = byKernel.get(kernel)
  if (checker === undefined) {
    const { onError, contents, callSites, device, cacheLineSize } = dmaChecks
    checker = new DmaChecker({
      onError,
      all: true,
      onReport: (report) => dmaChecks.onReport(report),
      ...(contents === undefined ? {} : { contents }),
      ...(callSites === undefined ? {} : { callSites }),
      ...(device === undefined ? {} : { device }),
      ...(cacheLineSize === undefined ? {} : { cacheLineSize }),
    })
    byKernel.set(kernel, checker)
    dmaChecks.onChecker(checker)
  }
  return checker
}
