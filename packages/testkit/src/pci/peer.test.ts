import { expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { openByHand } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'

const config = 7 * 2 ** 40
const iova = 0x10_0000
const whole = 0x1000n

/** Two devices, and the registers of the second mapped for the first. */
function opened() {
  const machine = createFakeMachine()
  const card = new PlainDevice()
  const peer = new PlainDevice()
  machine.addDevice(card)
  machine.addDevice(peer)
  const session = openByHand(machine, card.address)
  const other = openByHand(machine, peer.address)
  const { kernel } = machine
  const window = kernel.mapRegisters(other.device, { byteLength: 0x1000 })
  return { machine, kernel, card, peer, session, other, window }
}

it('lets a device reach another, in aligned accesses of 32 bits or fewer', () => {
  const { machine, card, peer, session, window } = opened()
  session.map(session.container, window.address!, BigInt(iova), whole)
  expect(card.writeMemory(iova + 1, [1, 2, 3, 4, 5, 6, 7])).toBe(true)
  expect(peer.accesses).toEqual(['write8 0:1', 'write16 0:2', 'write32 0:4'])
  expect([...new Uint8Array(peer.memory.buffer, 0, 8)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  expect(machine.faults).toEqual([])
})

it('counts no page, and reaches nobody where the registers do not decode', () => {
  const { machine, kernel, card, peer, session, other, window } = opened()
  machine.setCapabilities([])
  machine.setMemlockLimit(0)
  session.map(session.container, window.address!, BigInt(iova), whole)
  kernel.write(other.device, new Uint8Array([0x04]), config + 4)
  expect(card.writeMemory(iova, [1, 2, 3, 4])).toBe(true)
  expect(peer.accesses).toEqual([])
})

it('takes no more of the registers than are mapped, and none that are closed', () => {
  const { session, window } = opened()
  const address = window.address!
  const map = (vaddr: number, size: bigint) => () => session.map(session.container, vaddr, BigInt(iova), size)
  expect(outcome(map(address, 2n * whole))).toBe('EFAULT')
  window.close()
  expect(outcome(map(address, whole))).toBe('EFAULT')
})
