import { allocateDmaMemory, DmaDirection, dmaMapSingle, dmaUnmapSingle } from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import type { FakeMachine } from '../machine'
import { EduDevice } from '../models/edu'
import type { FakeMachineFailure } from './failure'
import type { FakeMachineTestOptions } from './options'
import { withFakeMachine } from './with-fake-machine'

const leak = (machine: FakeMachine) => machine.kernel.memfd('forgotten', { byteLength: 4096 })

/** Ends a mapping twice, which is refused, and reported. */
function misuse(machine: FakeMachine): void {
  const { address } = machine.addDevice(new EduDevice())
  using device = openVfioDevice(address, { kernel: machine.kernel })
  device.setMaster()
  using memory = allocateDmaMemory({ byteLength: 4096, kernel: machine.kernel })
  const { dmaAddress } = dmaMapSingle(device, memory.bytes.subarray(0, 64), DmaDirection.ToDevice)
  dmaUnmapSingle(device, dmaAddress, 64, DmaDirection.ToDevice)
  dmaUnmapSingle(device, dmaAddress, 64, DmaDirection.ToDevice)
}

async function failureOf(run: (machine: FakeMachine) => unknown, options: FakeMachineTestOptions = {}) {
  const failures: FakeMachineFailure[] = []
  const error = await withFakeMachine(
    { onFailure: (failure) => void failures.push(failure), ...options },
    run,
  )
    .then(() => undefined)
    .catch((thrown: unknown) => thrown)
  return { error, failures }
}

describe('a test on a machine', () => {
  it('gives what it returns, and has the machine that the options say', async () => {
    expect(await withFakeMachine((machine) => machine.kernel.name)).toBe('fake')
    const seed = await withFakeMachine({ seed: 9 }, async (machine) => machine.trace.seed)
    expect(seed).toBe(9)
  })

  it('tells nobody where nothing went wrong', async () => {
    expect(await failureOf(() => 1)).toEqual({ error: undefined, failures: [] })
  })

  it('fails by what it throws, as it is', async () => {
    const mine = new Error('mine')
    const { error, failures } = await failureOf(() => Promise.reject(mine))
    expect(error).toBe(mine)
    expect(failures[0]?.errors).toEqual([mine])
  })

  it('fails by what it leaves open, which is named, with where that was opened', async () => {
    const { error } = await failureOf(leak)
    expect(error).toMatchObject({ code: 'DMA_LEAK' })
    expect(String(error)).toMatch(/memfd:forgotten, opened at .*with-fake-machine\.test\.ts/)
  })

  it('fails by what it does wrong with DMA, also where nobody looked at the refusal', async () => {
    const { error } = await failureOf((machine) => {
      expect(() => misuse(machine)).toThrow()
    })
    expect(error).toMatchObject({ code: 'DMA_DEBUG' })
  })

  it('hides nothing: its own error comes first, then what is open, then what was done wrong', async () => {
    const { error, failures } = await failureOf((machine) => {
      expect(() => misuse(machine)).toThrow()
      leak(machine)
      throw new Error('mine')
    })
    const { errors, message, cause } = error as AggregateError
    expect(errors.map((each) => each.code ?? each.message)).toEqual(['mine', 'DMA_LEAK', 'DMA_DEBUG'])
    expect(cause).toBe(errors[0])
    for (const each of errors) expect(message).toContain(each.message.split('\n')[0])
    expect(failures[0]?.errors).toEqual(errors)
  })

  it('tells of a misuse once where it is what the test failed by', async () => {
    const { error } = await failureOf((machine) => misuse(machine))
    expect(error).toMatchObject({ code: 'DMA_NOT_MAPPED' })
    const wrapped = await failureOf((machine) => {
      try {
        misuse(machine)
      } catch (cause) {
        throw new Error('the driver failed', { cause })
      }
    })
    expect(String(wrapped.error)).toBe('Error: the driver failed')
  })

  it.each([null, undefined, 'text', 0])('fails by anything that is thrown: %s', async (thrown) => {
    const failed = withFakeMachine(() => {
      throw thrown
    })
    await expect(
      failed.then(
        () => 'passed',
        (error: unknown) => error,
      ),
    ).resolves.toBe(thrown)
  })

  it('refuses options that are none, before anything runs', async () => {
    let ran = false
    const run = () => {
      ran = true
    }
    for (const options of [{ sead: 1 }, { name: '' }, { name: 1 }, { onFailure: 'print' }]) {
      await expect(withFakeMachine(options as FakeMachineTestOptions, run)).rejects.toThrow(
        expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }),
      )
    }
    await expect(withFakeMachine({} as never)).rejects.toThrow('there is no test')
    expect(ran).toBe(false)
  })
})

describe('the report of a test that failed', () => {
  it('is named after the test, else after where it is', async () => {
    const named = await failureOf(leak, { name: 'the driver starts' })
    expect(named.failures[0]?.name).toBe('the driver starts')
    const unnamed = await failureOf(leak)
    expect(unnamed.failures[0]?.name).toMatch(/^with-fake-machine\.test\.ts:\d+$/)
  })

  it('says what went wrong and what happened, and is written once', async () => {
    const { failures } = await failureOf((machine) => {
      machine.trace.note('half way')
      leak(machine)
    })
    const { report } = failures[0]!
    expect(report).toContain('half way')
    expect(report).toContain('/memfd:forgotten')
    expect(failures[0]?.report).toBe(report)
  })

  it('is one more thing that went wrong where it cannot be kept', async () => {
    const onFailure = () => Promise.reject(new Error('the disk is full'))
    const { error } = await failureOf(leak, { onFailure })
    expect((error as AggregateError).errors.map(({ message }) => message)).toEqual([
      expect.stringContaining('left open'),
      'the disk is full',
    ])
  })
})
