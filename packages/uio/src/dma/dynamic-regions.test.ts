import { dmaBitMask, dmaSetMaskAndCoherent } from '@linux-dma/core'
import { describe, expect, it } from 'vitest'
import { alone, withFile } from '../../test-support/changed-kernel'
import { dmem, refusal, roundTrip } from '../../test-support/driver-machines'
import { openUio } from '../device/open-uio'

const PAGE = 4096

describe('dynamic regions', () => {
  it('of kernels before 6.9 are coherent memory, the smallest first', async () => {
    const { machine, open } = dmem('6.8.12')
    const device = open()
    expect(await roundTrip(device, PAGE)).toBe('uio_dmem_genirq map1: to and fro')
    const small = device.allocateCoherent(100)
    expect(small.bytes).toEqual(new Uint8Array(100))
    const large = device.allocateCoherent(100)
    expect([small.origin, large.origin]).toEqual(['uio_dmem_genirq map1', 'uio_dmem_genirq map2'])
    const full = refusal(() => device.allocateCoherent(100))
    expect(full.code).toBe('ENOMEM')
    expect(full.message).toContain('uio_dmem_genirq map1 of 16384 bytes (in use)')
    large.bytes[5] = 9
    large.free()
    expect(device.allocateCoherent(16385).bytes).toEqual(new Uint8Array(16385))
    expect(refusal(() => device.allocateCoherent(65537)).message).toContain('no region has 65537 bytes')
    device.close()
    machine.assertQuiescent()
    // Allocated anew, at the first open.
    expect(await roundTrip(open(), 65536)).toBe('uio_dmem_genirq map2: to and fro')
  })

  it('of kernels from 6.9 on are never given to a device', () => {
    const { machine, open } = dmem('6.9.0')
    const device = open()
    const error = refusal(() => device.allocateCoherent(PAGE))
    expect(error.code).toBe('DMA_KERNEL_POINTER')
    expect(error.message).toContain('map1, map2')
    expect(error.message).not.toMatch(/0xff/)
    expect(error.hint).toContain('device.mapMemory(1)')
    device.close()
    machine.assertQuiescent()
  })

  it('are not even looked at behind an IOMMU, where the driver maps other memory', () => {
    const { machine, open } = dmem('6.1.0', { iommu: 'on' })
    const device = open()
    expect(refusal(() => device.allocateCoherent(PAGE)).message).toContain('other memory')
    device.close()
    machine.assertQuiescent()
  })

  it('are refused physical addresses there, too', () => {
    const { machine, kernel } = dmem('6.12.0', { iommu: 'on' })
    const error = refusal(() => openUio(0, { kernel, unsafePhysicalAddresses: true }))
    expect(error.code).toBe('DMA_TRANSLATED')
    expect(error.message).toContain('edu.0')
    machine.assertQuiescent()
  })

  it('say that the kernel could not allocate them', () => {
    const { machine, kernel } = dmem('6.1.0')
    const none = ['map1', 'map2'].reduce(
      (changed, map) => withFile(changed, `${map}/addr`, '0xffffffffffffffff'),
      kernel,
    )
    const device = openUio(0, { kernel: none })
    const error = refusal(() => device.allocateCoherent(PAGE))
    expect(error.code).toBe('ENOMEM')
    expect(error.message).toContain('could not allocate map1, map2 when uio0 was opened')
    device.close()
    machine.assertQuiescent()
  })

  it('are refused above the mask', () => {
    const { machine, open } = dmem('6.1.0')
    const device = open()
    dmaSetMaskAndCoherent(device, dmaBitMask(24))
    const error = refusal(() => device.allocateCoherent(PAGE))
    expect(error.code).toBe('DMA_ABOVE_MASK')
    expect(error.hint).toContain('dmaSetCoherentMask')
    expect(device.children.size).toBe(0)
    device.close()
    machine.assertQuiescent()
  })

  it('are told from registers without privileges, by what was there before the device was open', async () => {
    const { machine, kernel } = dmem('6.1.0')
    machine.chown('/dev/uio0', 1000)
    machine.setUid(1000)
    const first = openUio(0, { kernel })
    expect(await roundTrip(first, PAGE)).toBe('uio_dmem_genirq map1: to and fro')
    first.close()
    // Where another process has it open, the addresses are there already.
    const late = openUio(0, { kernel: withFile(kernel, 'map1/addr', '0x0000000012340000') })
    expect(await roundTrip(late, PAGE)).toBe('uio_dmem_genirq map2: to and fro')
    late.close()
    const shared = ['map1', 'map2'].reduce(
      (changed, map) => withFile(changed, `${map}/addr`, '0x0000000012340000'),
      kernel,
    )
    const last = openUio(0, { kernel: shared })
    const error = refusal(() => last.allocateCoherent(PAGE))
    expect(error.code).toBe('DMA_NOT_MEMORY')
    expect(error.hint).toContain('fuser -v /dev/uio0')
    last.close()
    machine.assertQuiescent()
  })

  it('of another process are not touched, whoever looks', () => {
    const { machine, kernel, open } = dmem('6.1.0')
    const first = open()
    const memory = first.allocateCoherent(PAGE)
    memory.bytes.fill(9)
    const second = openUio(0, { kernel: alone(kernel) })
    const error = refusal(() => second.allocateCoherent(PAGE))
    expect(error).toMatchObject({ code: 'DMA_IN_USE', hint: expect.stringContaining('fuser -v /dev/uio0') })
    expect(error.message).toContain('map1, map2')
    expect(memory.bytes[0]).toBe(9)
    second.close()
    first.close()
    machine.assertQuiescent()
  })

  it('are kept where a device was closed that nothing holds back, until all have closed it', () => {
    const { machine, open } = dmem('6.1.0')
    const first = open()
    const second = open()
    const abandoned = first.allocateCoherent(PAGE)
    first.close()
    expect(abandoned.freed).toBe(true)
    expect(second.allocateCoherent(PAGE).origin).toBe('uio_dmem_genirq map2')
    second.close()
    const third = open()
    expect(third.allocateCoherent(PAGE).origin).toBe('uio_dmem_genirq map1')
    third.close()
    machine.assertQuiescent()
  })
})
