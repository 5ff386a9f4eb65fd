import { DmaError, type Kernel, linuxKernel } from '@linux-dma/native'

/**
 * The kernel that an option names; the real one where it names none.
 * @param of the function whose option it is
 * @throws DMA_INVALID_ARGUMENT for what is no kernel; DMA_NATIVE_UNAVAILABLE where there is no real one
 */
export function kernelOption(of: string, kernel: Kernel | undefined): Kernel {
  if (kernel === undefined) return linuxKernel()
  if (typeof (kernel as Partial<Kernel> | null)?.ioctl === 'function') return kernel
  throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: kernel is no Kernel`, {
    hint: 'pass { kernel: machine.kernel } for a fake machine, nothing for the real one',
  })
}
