import assert from 'node:assert/strict'
import { createFakeMachine } from '@linux-dma/testkit'
import { createUdmabuf } from '@linux-dma/udmabuf'

const machine = createFakeMachine()
{
  using buffer = createUdmabuf({ size: 8192, name: 'frame', kernel: machine.kernel })
  const display = machine.importDmaBuf(buffer.fd)
  buffer.cpuAccess('write', (bytes) => bytes.fill(0x55))
  assert.equal(display.bytes[8191], 0x55)

  // The display shows the frame for 16 ms: until then, nobody else may draw.
  const fence = display.addFence('read')
  machine.clock.schedule(16, () => fence.signal())
  await buffer.waitForCpuAccess('write')
  assert.equal(machine.clock.now(), 16)
  display.detach()
}
machine.assertQuiescent()
