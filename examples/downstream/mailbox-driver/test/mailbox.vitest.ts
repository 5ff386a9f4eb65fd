import { createMailboxFpga, EduDevice } from '@linux-dma/testkit'
import { expect, test } from '@linux-dma/testkit/vitest'
import { Mailbox } from '../src/mailbox.js'

test('what was stored can be loaded', async ({ machine }) => {
  const { address } = machine.addDevice(createMailboxFpga())
  const mailbox = new Mailbox(address, { kernel: machine.kernel })
  try {
    await mailbox.store(Buffer.from('hello'), 100)
    expect(Buffer.from(await mailbox.load(100, 5)).toString()).toBe('hello')
    expect(machine).not.toBeQuiescent()
  } finally {
    mailbox.close()
  }
  expect(machine).toBeQuiescent()
  expect(machine).toHaveNoDmaErrors()
})

test('a mailbox that does not answer is given up', async ({ machine }) => {
  const fpga = machine.addDevice(createMailboxFpga())
  fpga.side.hang(true)
  const mailbox = new Mailbox(fpga.address, { kernel: machine.kernel })
  try {
    await expect(mailbox.load(0, 5)).rejects.toThrow(/100 ms/)
  } finally {
    mailbox.close()
  }
})

test('another device is refused', ({ machine }) => {
  const { address } = machine.addDevice(new EduDevice())
  expect(() => new Mailbox(address, { kernel: machine.kernel })).toThrow('there is no mailbox')
})
