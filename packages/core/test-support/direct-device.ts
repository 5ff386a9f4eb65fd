import { createFakeMachine } from '@linux-dma/testkit'
import { DmaDevice } from '../src/device/dma-device'
import { dmaBitMask, dmaSetMaskAndCoherent } from '../src/device/masks'
import { directOps } from '../src/mapping/direct-ops'

export const PAGE = 4096

/** A device that goes by physical addresses, with a mask that holds it back from nothing. */
export function machineWithDevice(options: Parameters<typeof createFakeMachine>[0] = {}) {
  const machine = createFakeMachine({ iommu: 'off', ...options })
  const { kernel } = machine
  const device = new DmaDevice('bare', kernel, directOps({ unsafePhysicalAddresses: true, kernel }))
  dmaSetMaskAndCoherent(device, dmaBitMask(64))
  return { machine, kernel, device }
}

/** What an action was refused with; nothing of it where it was not. */
export function outcome(action: () => unknown): { code?: string; message?: string; hint?: string } {
  try {
    action()
  } catch (error) {
    return error as { code?: string; message?: string; hint?: string }
  }
  return {}
}
