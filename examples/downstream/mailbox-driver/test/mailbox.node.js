import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMailboxFpga, EduDevice, withFakeMachine } from '@linux-dma/testkit'
import { saveReports } from '@linux-dma/testkit/node'
import { Mailbox } from '../src/mailbox.js'

/** A test on a machine of its own. */
const machineTest = (name, run) => test(name, () => withFakeMachine({ name, onFailure: saveReports() }, run))

machineTest('what was stored can be loaded', async (machine) => {
  const { address } = machine.addDevice(createMailboxFpga())
  const mailbox = new Mailbox(address, { kernel: machine.kernel })
  try {
    await mailbox.store(Buffer.from('hello'), 100)
    assert.equal(Buffer.from(await mailbox.load(100, 5)).toString(), 'hello')
  } finally {
    mailbox.close()
  }
})

machineTest('a mailbox that does not answer is given up', async (machine) => {
  const fpga = machine.addDevice(createMailboxFpga())
  fpga.side.hang(true)
  const mailbox = new Mailbox(fpga.address, { kernel: machine.kernel })
  try {
    await assert.rejects(mailbox.load(0, 5), /100 ms/)
  } finally {
    mailbox.close()
  }
})

machineTest('another device is refused', (machine) => {
  const { address } = machine.addDevice(new EduDevice())
  assert.throws(() => new Mailbox(address, { kernel: machine.kernel }), /there is no mailbox/)
})
