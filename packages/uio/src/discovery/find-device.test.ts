import type { Kernel } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { recordedKernel } from '../../test-support/recorded-kernel'
import { pciFiles, recordedMachine } from '../../test-support/recordings'
import { findUioDevice } from './find-device'
import type { UioSelector } from './uio-device-info'

const kernel = recordedKernel({
  ...recordedMachine(),
  ...pciFiles('0000:00:05.0', { id: '8086:2922', resource: [] }),
})

function refused(
  selector: UioSelector,
  of: Kernel = kernel,
): { code: string; message: string; hint?: string } {
  try {
    findUioDevice(of, selector)
  } catch (error) {
    return error as { code: string; message: string }
  }
  throw new Error('it was found')
}

describe('findUioDevice', () => {
  it.each<[UioSelector, string]>([
    ['uio10', 'uio10'],
    ['/dev/uio10', 'uio10'],
    [10, 'uio10'],
    [{ name: 'lab_uio' }, 'uio2'],
    [{ pci: '0000:00:0C.0' }, 'uio10'],
    [{ pci: '00:0b.0' }, 'uio1'],
  ])('%j is %s', (selector, node) => {
    expect(findUioDevice(kernel, selector).node).toBe(node)
  })

  it.each([
    'edu',
    '/dev/null',
    'uio',
    '',
    -1,
    1.5,
    Number.NaN,
    {},
    { name: 'a', pci: '0000:00:04.0' },
    { name: 1 },
    { pci: 4 },
    { node: 'uio0' },
    null,
    undefined,
    true,
  ])('%j is no selector', (selector) => {
    expect(refused(selector as UioSelector).code).toBe('DMA_INVALID_ARGUMENT')
  })

  it('says which there are where there is none', () => {
    expect(refused(3)).toMatchObject({ code: 'DMA_NO_DEVICE', hint: 'there are: uio0, uio1, uio2, uio10' })
    expect(refused({ name: 'edu' })).toMatchObject({
      code: 'DMA_NO_DEVICE',
      hint: 'there are: uio_pci_generic, lab_uio',
    })
    expect(refused({ name: 'edu' }, recordedKernel({})).hint).toMatch(
      /bindDriver\(.*, or as root: modprobe uio_pci_generic && echo /,
    )
  })

  it('asks which one where a name is that of several', () => {
    const { code, hint } = refused({ name: 'uio_pci_generic' })
    expect(code).toBe('DMA_AMBIGUOUS')
    expect(hint).toBe(
      "take one of them: 'uio0', or { pci: '0000:00:04.0' }, 'uio1', or { pci: '0000:00:0b.0' }, 'uio10', or { pci: '0000:00:0c.0' }",
    )
  })

  it('tells a PCI device without a UIO driver from none', () => {
    expect(refused({ pci: '0000:00:05.0' })).toMatchObject({
      code: 'DMA_NOT_BOUND',
      message: expect.stringContaining('0000:00:05.0 is bound to no driver'),
      hint: expect.stringMatching(
        /bindDriver\('0000:00:05\.0', 'uio_pci_generic'\).*modprobe uio_pci_generic/s,
      ),
    })
    expect(refused({ pci: '0000:00:06.0' }).code).toBe('DMA_NO_DEVICE')
  })

  it('begins with what would stop working, where a driver of the machine has the device', () => {
    const machine = createFakeMachine()
    const { address } = machine.addDevice(new EduDevice(), { driver: 'nic' })
    const fake = refused({ pci: address }, machine.kernel)
    expect(fake).toMatchObject({
      code: 'DMA_NOT_BOUND',
      hint: expect.stringMatching(
        /^nic drives it now: be sure that nothing of this machine needs it; then bindDriver\(/,
      ),
    })
  })
})
