import { describe, expect, it } from 'vitest'
import { alone, withFile, withProcess } from '../../test-support/changed-kernel'
import { patched, refusal, roundTrip } from '../../test-support/driver-machines'
import { openUio } from '../device/open-uio'

const PAGE = 4096

describe('slots behind a flag', () => {
  it('are allocated as they are needed, the smallest that fits', async () => {
    const { machine, kernel, device } = patched('flag')
    const addresses = () =>
      ['map1', 'map2'].map((map) => Number(kernel.readText(`/sys/class/uio/uio0/maps/${map}/addr`)) > 0)
    expect(addresses()).toEqual([false, false])
    expect(await roundTrip(device, PAGE)).toBe('uio dma memory map1: to and fro')
    expect(addresses()).toEqual([true, false])
    expect(await roundTrip(device, 0x1_0001)).toBe('uio dma memory map2: to and fro')
    expect(machine.faults).toEqual([])
    const small = device.allocateCoherent(0x1_0000)
    expect(small.bytes).toEqual(new Uint8Array(0x1_0000))
    expect(device.allocateCoherent(1).origin).toBe('uio dma memory map2')
    expect(refusal(() => device.allocateCoherent(1)).code).toBe('ENOMEM')
    device.close()
    machine.assertQuiescent()
  })

  it('are tried again where memory was short, and not believed against sysfs', () => {
    const { machine, kernel, device } = patched('flag')
    // The first is the magic offset.
    machine.failCall({ syscall: 'mmap', nth: 2, code: 'ENOMEM' })
    expect(refusal(() => device.allocateCoherent(PAGE)).code).toBe('ENOMEM')
    expect(device.allocateCoherent(PAGE).origin).toBe('uio dma memory map1')
    device.close()
    const lying = openUio(0, { kernel: withFile(kernel, 'map2/addr', '0x0000000000000000') })
    lying.setMaster()
    expect(refusal(() => lying.allocateCoherent(0x2_0000)).code).toBe('DMA_UNTRUSTED_ADDRESS')
    lying.close()
    machine.assertQuiescent()
  })

  it('of another process are left alone while it has the device open', async () => {
    const { machine, kernel, device } = patched('flag')
    const memory = device.allocateCoherent(PAGE)
    const { bytes } = memory
    device.close()
    kernel.mmap(kernel.open('/dev/uio0', 2), { position: 0x1_0001 * PAGE, byteLength: PAGE }).bytes.fill(9)
    const again = openUio(0, { kernel: withProcess(alone(kernel), '/dev/uio0') })
    again.setMaster()
    // The next one that nobody has is taken.
    const free = again.allocateCoherent(PAGE)
    expect(free.origin).toBe('uio dma memory map2')
    const error = refusal(() => again.allocateCoherent(PAGE))
    expect(error).toMatchObject({ code: 'DMA_IN_USE', hint: expect.stringContaining("ps -fp 77'") })
    again.close()
    expect(bytes[0]).toBe(0)
    // Once that process has ended it is as good as any.
    const last = openUio(0, { kernel: alone(kernel) })
    last.setMaster()
    expect(last.allocateCoherent(PAGE).origin).toBe('uio dma memory map1')
    last.close()
    expect(machine.faults).toEqual([])
  })

  it('that another one allocates after the device was opened are no reason to give up', () => {
    const { machine, kernel, device } = patched('flag')
    const fd = kernel.open('/dev/uio0', 2)
    const mapping = kernel.mmap(fd, { position: 0x1_0001 * PAGE, byteLength: PAGE })
    mapping.bytes.fill(9)
    mapping.close()
    kernel.close(fd)
    device.setMaster()
    const memory = device.allocateCoherent(PAGE)
    expect([memory.origin, memory.bytes[0]]).toEqual(['uio dma memory map1', 0])
    device.close()
    machine.assertQuiescent()
  })

  it('of an earlier process are used again: there are no others', async () => {
    const { machine, kernel, device } = patched('flag')
    device.allocateCoherent(PAGE).bytes.fill(9)
    device.close()
    const again = openUio(0, { kernel })
    again.setMaster()
    expect(await roundTrip(again, PAGE)).toBe('uio dma memory map1: to and fro')
    again.close()
    machine.assertQuiescent()
  })
})
