import type { Kernel } from '@linux-dma/core'
import { describe, expect, it } from 'vitest'
import { bindCommands, bindWarning } from './bind-commands'

const address = '0000:00:04.0'
const folder = `/sys/bus/pci/devices/${address}`
const real = { name: 'linux' } as Kernel
const fake = { name: 'fake' } as Kernel

describe('bindCommands', () => {
  it('gives a device from one driver to another', () => {
    expect(bindCommands(address, 'nic', 'vfio-pci')).toBe(
      `as root: modprobe vfio-pci && echo vfio-pci > ${folder}/driver_override && echo ${address} > ${folder}/driver/unbind && echo ${address} > /sys/bus/pci/drivers_probe`,
    )
    expect(bindCommands(address, undefined, 'vfio-pci')).not.toContain('unbind')
  })

  it('takes a device from its driver, and leaves alone what an administrator set for it', () => {
    expect(bindCommands(address, 'nic', null)).toBe(`as root: echo ${address} > ${folder}/driver/unbind`)
  })
})

describe('bindWarning', () => {
  it('says that the machine may need the device, and in a test that another was meant', () => {
    expect(bindWarning(real, 'virtio-pci')).toBe(
      'virtio-pci drives it now: be sure that nothing of this machine needs it, and in a test pass { kernel: machine.kernel }; then ',
    )
    expect(bindWarning(fake, 'nic')).toBe(
      'nic drives it now: be sure that nothing of this machine needs it; then ',
    )
  })

  it.each([undefined, 'vfio-pci', 'mlx5_vfio_pci', 'uio_pci_generic', 'igb_uio', 'uio_hv_generic'])(
    'says nothing where nothing of the machine can depend on it: %s',
    (bound) => {
      expect(bindWarning(real, bound)).toBe('')
    },
  )
})
