import { type AccessWidth, createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { demonstrate } from './demonstrate'
import { DMA_COUNT, FACTORIAL, LIVENESS } from './registers'

async function run(device: EduDevice): Promise<string[]> {
  const machine = createFakeMachine()
  const { address } = machine.addDevice(device, { address: '0000:00:04.0' })
  const lines: string[] = []
  try {
    await demonstrate(machine.kernel, address, (line) => lines.push(line))
    machine.assertNoDmaErrors()
  } finally {
    machine.assertQuiescent()
  }
  return lines
}

/** An edu device one of whose registers answers wrong. */
class Broken extends EduDevice {
  readonly #register: number

  constructor(register: number) {
    super()
    this.#register = register
  }

  override read(bar: number, byteOffset: number): number | bigint {
    const value = super.read(bar, byteOffset)
    return byteOffset === this.#register ? Number(value) ^ 1 : value
  }
}

/** One that moves half of what it is asked for and says that it is done. */
class Short extends EduDevice {
  override write(bar: number, byteOffset: number, width: AccessWidth, value: number | bigint): void {
    super.write(bar, byteOffset, width, byteOffset === DMA_COUNT ? Number(value) >> 1 : value)
  }
}

describe('the edu driver', () => {
  it('gets through everything and leaves nothing behind', async () => {
    const lines = await run(new EduDevice())
    expect(lines).toHaveLength(7)
    expect(lines.at(-1)).toContain('0 descriptors and 0 mappings left')
  })

  it.each([
    ['does not invert', new Broken(LIVENESS), /does not invert/],
    ['computes wrong', new Broken(FACTORIAL), /10! came back as 3628801/],
    ['moves too little', new Short(), /byte 2047 came back as 0/],
  ])('fails, and leaves nothing behind, with a device that %s', async (_, device, message) => {
    await expect(run(device)).rejects.toThrow(message)
  })
})
