import assert from 'node:assert/strict'
import { createFakeMachine } from '@linux-dma/testkit'
import { openUio } from '@linux-dma/uio'

// The kernel's half: a driver that shares memory, and counts interrupts.
const machine = createFakeMachine()
const mem = [{ name: 'samples', memtype: 'dma-coherent', byteLength: 8192 }] as const
const driver = machine.registerUio({ name: 'sampler', version: '1', mem, irq: 'custom' })
{
  using device = openUio({ name: 'sampler' }, { kernel: machine.kernel })
  using samples = device.mapMemory('samples')
  using interrupts = device.interrupts()
  driver.bytes(0)[0] = 42
  driver.notify(3)
  const { count } = await interrupts.wait({ timeoutMilliseconds: 10 })
  assert.deepEqual([count, samples.bytes[0]], [3, 42])
}
machine.assertQuiescent()
