import { expect, it } from 'vitest'
import { openDevice } from '../fixtures/opened-device'
import { PlainDevice } from '../fixtures/plain-device'
import { findDisorder } from './check-machine'

it('says when a device reached for what it does not have in no more digits than a trace has', () => {
  const { machine, model, device } = openDevice(new PlainDevice())
  machine.clock.advance(69.63800000000003)
  model.writeMemory(0x900000, [1])
  device.close()
  const [error] = findDisorder(machine) as Error[]
  expect(error!.message).toMatch(
    /^DMA_FAULT: .*\n {2}0000:00:04\.0 was refused a write of 1 bytes at 0x900000, at \d+\.\d{1,4} ms\n/,
  )
})
