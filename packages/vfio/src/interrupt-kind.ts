import { assertOptions, assertSignal, DmaError } from '@linux-dma/core'
import { VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX } from './constants'
import type { IrqInfo } from './structs'

/** How a PCI device signals: message-signalled with a table, message-signalled, or by its interrupt pin. */
export type InterruptKind = 'msix' | 'msi' | 'intx'

/** Which interrupts to take: see {@link VfioDevice.interrupts}. */
export interface InterruptOptions {
  /** Default: the best that the device has, MSI-X before MSI before INTx. */
  kind?: InterruptKind
  /** How many vectors to enable, from vector 0 on. Default 1. */
  vectors?: number
  /** Ends the iteration: it rejects with the signal's reason. */
  signal?: AbortSignal
}

const indexes: Record<InterruptKind, number> = {
  msix: VFIO_PCI_MSIX_IRQ_INDEX,
  msi: VFIO_PCI_MSI_IRQ_INDEX,
  intx: VFIO_PCI_INTX_IRQ_INDEX,
}

/** The interrupts that were chosen, checked against what the device has. */
export interface ChosenInterrupts {
  readonly kind: InterruptKind
  readonly info: IrqInfo
  readonly vectors: number
}

/** @throws DMA_INVALID_ARGUMENT, DMA_NO_INTERRUPT */
export function chooseInterrupts(
  device: string,
  available: readonly IrqInfo[],
  options: InterruptOptions,
): ChosenInterrupts {
  assertOptions('interrupts', options, ['kind', 'vectors', 'signal'])
  const { kind: wanted, vectors = 1, signal } = options
  assertSignal('interrupts', signal)
  if (wanted !== undefined && !Object.hasOwn(indexes, wanted)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `interrupts: kind is '${String(wanted)}'`, {
      hint: "kind is 'msix', 'msi' or 'intx'",
    })
  }
  const countOf = (kind: InterruptKind) => available.find(({ index }) => index === indexes[kind])?.count ?? 0
  const kinds: readonly InterruptKind[] = wanted ? [wanted] : ['msix', 'msi', 'intx']
  const kind = kinds.find((candidate) => countOf(candidate) > 0)
  const offered = (['msix', 'msi', 'intx'] as const)
    .filter((k) => countOf(k) > 0)
    .map((k) => `${k} (${countOf(k)})`)
  if (!kind) {
    throw new DmaError('DMA_NO_INTERRUPT', `${device} has no ${wanted ?? 'interrupt'}`, {
      hint: `it offers ${offered.join(', ') || 'none: poll a status register with IoRegion.pollUntil()'}`,
    })
  }
  const info = available.find(({ index }) => index === indexes[kind])!
  if (!Number.isInteger(vectors) || vectors < 1 || vectors > info.count) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `interrupts: vectors is ${vectors}`, {
      hint: `${device} has ${info.count} ${kind} vector(s)`,
    })
  }
  return { kind, info, vectors }
}
