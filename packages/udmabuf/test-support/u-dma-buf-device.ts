import { DmaDevice, type DmaOps } from '@linux-dma/core'
import { createFakeMachine, type UDmaBufParameters } from '@linux-dma/testkit'
import { openUDmaBuf, type UDmaBufOptions } from '../src/u-dma-buf/open-u-dma-buf'
import { uDmaBufOps } from '../src/u-dma-buf/u-dma-buf-ops'

export const page = 4096

/** A device that nothing proves at rest once it is closed, as one that has no switch for its bus mastering. */
export class Restless extends DmaDevice {
  protected override whyNotQuiet(): string {
    return 'nothing stops it'
  }
}

/** A buffer of the module u-dma-buf in a machine without an IOMMU, and a device that it is the memory of. */
export function setUp(parameters: Partial<UDmaBufParameters> = {}, options: UDmaBufOptions = {}) {
  const machine = createFakeMachine({ iommu: 'off' })
  const { kernel } = machine
  const hardware = machine.addUDmaBuf({ size: 16 * page, dmaMaskBits: 28, ...parameters })
  const buffer = openUDmaBuf('udmabuf0', { kernel, ...options })
  const deviceWith = (ops: DmaOps) => new DmaDevice('core0', kernel, ops)
  return { machine, kernel, hardware, buffer, deviceWith, device: deviceWith(uDmaBufOps(buffer)) }
}
