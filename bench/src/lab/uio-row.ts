import type { Kernel } from '@linux-dma/core'
import { bindDriver, PCI_DEVICES } from '@linux-dma/pci'
import { openUio } from '@linux-dma/uio'
import { pair } from '../pair'
import type { Reference } from '../reference'
import type { Row } from '../row'
import { ACKNOWLEDGE_INTERRUPT, RAISE_INTERRUPT } from './edu'
import type { Recorded } from './recording-kernel'

const ROUNDS = 100

/**
 * From the write that raises an interrupt to the one that lets the next through, over uio_pci_generic. The device is bound
 * to it, and stays open, until the process ends.
 * @param address an edu device's that nobody else has
 */
export function uioRow(kernel: Kernel, recorded: Recorded, reference: Reference, address: string): Row {
  return {
    name: 'UIO interrupt raised, delivered, acknowledged, re-armed',
    unit: 'µs',
    async measure(context) {
      bindDriver(address, 'uio_pci_generic', { kernel })
      const device = openUio({ pci: address }, { kernel })
      const bar = device.bar(0)
      const raise = bar.register32(RAISE_INTERRUPT)
      const acknowledge = bar.register32(ACKNOWLEDGE_INTERRUPT)
      const interrupts = device.interrupts()
      const node = recorded.opened.get(device.info.path)!
      const config = recorded.opened.get(`${PCI_DEVICES}/${address}/config`)!
      const registers = reference.mapShared(node, 4096, device.info.maps[0]!.index * kernel.pageSize)
      const timed = async (rounds: () => unknown) => {
        const start = process.hrtime.bigint()
        await rounds()
        return Number(process.hrtime.bigint() - start) / 1000 / ROUNDS
      }
      const inC = () => {
        // The last of our rounds left the line held back: the next one would have let it through.
        interrupts.enable()
        reference.uioRounds(
          node,
          config,
          registers + RAISE_INTERRUPT,
          registers + ACKNOWLEDGE_INTERRUPT,
          ROUNDS,
        )
      }
      const ours = async () => {
        for (let round = 0; round < ROUNDS; round++) {
          raise.write(1)
          await interrupts.next()
          acknowledge.write(1)
        }
      }
      return await pair(
        context,
        () => timed(inC),
        () => timed(ours),
        1,
      )
    },
  }
}
