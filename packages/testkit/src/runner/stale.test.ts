// By the package's own name, as vfio does: its devices are then of the same class.
import { createDmaRegion, DmaDirection, dmaMapSingle, toNumber } from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { PlainDevice } from '../fixtures/plain-device'
import type { FakeMachine } from '../machine'
import type { FakeMachineFailure } from './failure'
import { withFakeMachine } from './with-fake-machine'

type Ending = 'scope' | 'driver' | 'close' | 'memory' | 'unmap' | 'sync'

/** Unmaps as it is closed. */
class Driver {
  readonly #mapping: { unmap(): void }

  constructor(mapping: { unmap(): void }) {
    this.#mapping = mapping
  }

  close(): void {
    this.#mapping.unmap()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** A driver that looks at a packet, and the test that it is looked at by. */
function receive(
  machine: FakeMachine,
  ending: Ending,
  direction: Parameters<typeof dmaMapSingle>[2] = DmaDirection.FromDevice,
) {
  const plain = machine.addDevice(new PlainDevice())
  using device = openVfioDevice(plain.address, { kernel: machine.kernel })
  device.setMaster()
  using region = createDmaRegion(device, { byteLength: 4096 })
  const packet = region.bytes.subarray(256, 320)
  const mapping = dmaMapSingle(device, packet, direction)
  const driver = new Driver(mapping)
  using _ended = ending === 'driver' ? driver : ending === 'scope' ? mapping : undefined
  machine.clock.advance(5)
  plain.writeMemory(toNumber(mapping.dmaAddress), [1, 2, 3])
  if (ending === 'unmap') mapping.unmap()
  if (ending === 'sync') mapping.syncForCpu()
  try {
    if (packet[0] !== 1) throw new Error('it is not the packet')
  } finally {
    if (ending === 'close') driver.close()
    if (ending === 'sync') mapping.unmap()
  }
  if (ending === 'unmap' || ending === 'sync') throw new Error('another thing')
}

async function failureOf(run: (machine: FakeMachine) => unknown) {
  const failures: FakeMachineFailure[] = []
  const onFailure = (failure: FakeMachineFailure) => void failures.push(failure)
  const error: unknown = await withFakeMachine({ coherence: 'write-back', onFailure }, run).catch(
    (thrown) => thrown,
  )
  return { error, failures }
}

describe('a test that fails by bytes that it was not shown', () => {
  it.each(['scope', 'driver', 'close', 'memory'] as const)(
    'is told of them: they were lost with their %s',
    async (ending) => {
      const { error, failures } = await failureOf((machine) => receive(machine, ending))
      const { errors, message } = error as AggregateError
      const forgotten = ending === 'memory' ? ['DMA_DEBUG'] : []
      const codes = errors.map((each) => each.code ?? each.message)
      expect(codes).toEqual(['it is not the packet', ...forgotten, 'DMA_STALE'])
      expect(message).toMatch(
        /bytes 0\.\.2 of the 64-byte from-device mapping at 0x\w+ were written by 0000:00:04\.0 at 5\S* ms and not synced for the CPU/,
      )
      expect(message).toMatch(/mapped at .*runner\/stale\.test\.ts/)
      expect(message).toContain('call dmaSyncSingleForCpu(device, mapping) before the CPU looks')
      expect(failures[0]!.report).toContain('not synced for the CPU')
    },
  )

  it('is told what is wrong with the direction', async () => {
    const { error } = await failureOf((machine) => receive(machine, 'scope', DmaDirection.ToDevice))
    expect(String(error)).toContain('map it FromDevice or Bidirectional')
  })

  it.each(['unmap', 'sync'] as const)('is told nothing where it was: by a %s', async (ending) => {
    const { error } = await failureOf((machine) => receive(machine, ending))
    expect(String(error)).toBe('Error: another thing')
  })

  it('is told once, where it asked', async () => {
    const { error } = await failureOf((machine) => {
      const plain = machine.addDevice(new PlainDevice())
      using device = openVfioDevice(plain.address, { kernel: machine.kernel })
      device.setMaster()
      using region = createDmaRegion(device, { byteLength: 4096 })
      plain.writeMemory(toNumber(region.dmaAddress), [1])
      machine.assertNotStale(region.bytes)
    })
    expect(error).toMatchObject({ code: 'DMA_STALE' })
  })
})

it('passes with bytes that nobody looked at: packets may be dropped', async () => {
  await withFakeMachine({ coherence: 'write-back' }, (machine) => {
    const plain = machine.addDevice(new PlainDevice())
    using device = openVfioDevice(plain.address, { kernel: machine.kernel })
    device.setMaster()
    using region = createDmaRegion(device, { byteLength: 4096 })
    for (let count = 0; count < 2000; count += 1)
      plain.writeMemory(toNumber(region.dmaAddress) + count * 2, [1])
  })
})
