import { createMailboxFpga, EduDevice, useFakeMachine } from '@linux-dma/testkit'
import { saveReports } from '@linux-dma/testkit/node'
import { Mailbox } from '../src/mailbox.js'

const fake = useFakeMachine({ beforeEach, afterEach }, { onFailure: saveReports() })

test('what was stored can be loaded', async () => {
  const { address } = fake.machine.addDevice(createMailboxFpga())
  const mailbox = new Mailbox(address, { kernel: fake.machine.kernel })
  try {
    await mailbox.store(Buffer.from('hello'), 100)
    expect(Buffer.from(await mailbox.load(100, 5)).toString()).toBe('hello')
  } finally {
    mailbox.close()
  }
})

test('a mailbox that does not answer is given up', async () => {
  const fpga = fake.machine.addDevice(createMailboxFpga())
  fpga.side.hang(true)
  const mailbox = new Mailbox(fpga.address, { kernel: fake.machine.kernel })
  try {
    await expect(mailbox.load(0, 5)).rejects.toThrow(/100 ms/)
  } finally {
    mailbox.close()
  }
})

test('another device is refused', () => {
  const { address } = fake.machine.addDevice(new EduDevice())
  expect(() => new Mailbox(address, { kernel: fake.machine.kernel })).toThrow('there is no mailbox')
})
