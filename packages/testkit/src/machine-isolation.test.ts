import { createHook } from 'node:async_hooks'
import { dmaAllocCoherent, dmaBitMask, dmaSetMaskAndCoherent, toNumber } from '@linux-dma/core'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { createFakeMachine, type FakeMachine } from './machine'
import type { FakeMachineOptions } from './machine-options'
import { EduDevice } from './models/edu'

/** All that a program could notice of the process it is in, but for timers: globals and what they are, listeners. */
function surroundings(): Map<string, unknown> {
  const found = new Map<string, unknown>()
  const add = (owner: string, object: object) => {
    for (const key of Reflect.ownKeys(object)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(object, key)!
      for (const [kind, what] of Object.entries({ value, get, set })) {
        found.set(`${owner}.${String(key)}, ${kind}`, what)
      }
    }
  }
  add('globalThis', globalThis)
  add('process', process)
  add('environment', { ...process.env })
  for (const known of [Object, Array, Uint8Array, ArrayBuffer, DataView, Promise, Error, Function, Map]) {
    add(known.name, known)
    add(`${known.name}.prototype`, known.prototype)
  }
  for (const name of process.eventNames())
    found.set(`listeners of ${String(name)}`, process.listenerCount(name))
  return found.set('directory', process.cwd())
}

/** Timers that the packages have set and that are still to come. The runner has some of its own, which come and go. */
function watchTimers(): { left(): string[]; [Symbol.dispose](): void } {
  const left = new Map<number, string>()
  const hook = createHook({
    init(id, type) {
      if (type !== 'Timeout' && type !== 'Immediate') return
      const { stack = '' } = new Error('set here')
      if (/[\\/]packages[\\/](?!testkit[\\/]src[\\/]machine-isolation)/.test(stack)) left.set(id, stack)
    },
    destroy: (id) => void left.delete(id),
  }).enable()
  return { left: () => [...left.values()], [Symbol.dispose]: () => void hook.disable() }
}

/** What is not what it was. */
function changes(before: Map<string, unknown>, after: Map<string, unknown>): string[] {
  const names = new Set([...before.keys(), ...after.keys()])
  return [...names].filter((name) => !Object.is(before.get(name), after.get(name)))
}

/** A driver's work, cut into steps, so that two can be at it in turn. */
async function* work(machine: FakeMachine, edu: EduDevice): AsyncGenerator<void, number> {
  using device: VfioDevice = openVfioDevice(edu.address, { kernel: machine.kernel })
  yield
  device.setMaster()
  dmaSetMaskAndCoherent(device, dmaBitMask(28))
  using buffer = dmaAllocCoherent(device, 4096)
  using interrupts = device.interrupts()
  yield
  machine.random.fill(buffer.bytes)
  const sent = buffer.bytes.slice(0, 256)
  const registers = device.bar(0)
  for (const [from, to, command] of [
    [toNumber(buffer.dmaAddress), 0x40000, 5],
    [0x40000, toNumber(buffer.dmaAddress) + 1024, 7],
  ] as const) {
    registers.write64(0x80, BigInt(from))
    registers.write64(0x88, BigInt(to))
    registers.write32(0x90, 256)
    registers.write32(0x98, command)
    yield
    await interrupts.wait({ timeoutMilliseconds: 1000 })
    registers.write32(0x64, registers.read32(0x24))
    yield
  }
  expect(buffer.bytes.subarray(1024, 1280)).toEqual(sent)
  return sent.reduce((sum, byte) => sum + byte, 0)
}

function made(options: FakeMachineOptions, before = 0) {
  const machine = createFakeMachine(options)
  const [edu] = Array.from({ length: before + 1 }, () => machine.addDevice(new EduDevice())).slice(-1)
  return { machine, steps: work(machine, edu!) }
}

/** What can be told of a machine whose work is done. */
function traces({ machine }: { machine: FakeMachine }) {
  machine.assertQuiescent()
  machine.assertNoDmaErrors()
  // Where in this file something was called is not the same for all.
  const { events } = machine.trace.toJSON()
  return { time: machine.clock.now(), events: events.map((event) => ({ ...event, at: undefined })) }
}

async function alone(options: FakeMachineOptions, before?: number) {
  const one = made(options, before)
  let step = await one.steps.next()
  while (!step.done) step = await one.steps.next()
  return { sum: step.value, ...traces(one) }
}

describe('a machine', () => {
  it('leaves no mark on the process it is in', async () => {
    await alone({})
    using timers = watchTimers()
    const before = surroundings()
    await alone({ seed: 2 })
    const { machine } = made({ coherence: 'write-back' })
    machine.failCall({ syscall: 'memfd_create', code: 'ENOMEM' })
    expect(() => machine.kernel.memfd('none', { byteLength: 4096 })).toThrow('ENOMEM')
    // The clock looks whether anybody waits still, a few times.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(before.size).toBeGreaterThan(500)
    expect(changes(before, surroundings())).toEqual([])
    expect(timers.left()).toEqual([])
  })

  it('knows nothing of another: two at work in turn do what each does alone', async () => {
    const options = [{ seed: 1 }, { seed: 2, iommu: 'passthrough', dmaEntryLimit: 8 }] as const
    const expected = [await alone(options[0]), await alone(options[1], 2)]
    expect(expected[0]!.sum).not.toBe(expected[1]!.sum)

    const both = [made(options[0]), made(options[1], 2)]
    const sums: (number | undefined)[] = [undefined, undefined]
    while (sums.includes(undefined)) {
      for (const [index, { steps }] of both.entries()) {
        const step = await steps.next()
        if (step.done && sums[index] === undefined) sums[index] = step.value
      }
    }
    expect(both.map((one, index) => ({ sum: sums[index], ...traces(one) }))).toEqual(expected)
  })

  it('refuses what is of another: descriptors, devices, memory', () => {
    const [one, other] = [createFakeMachine(), createFakeMachine()]
    const edu = one.addDevice(new EduDevice())
    const fd = one.kernel.memfd('mine', { byteLength: 4096 })
    expect(() => other.kernel.mmap(fd, { byteLength: 4096 })).toThrow('EBADF')
    expect(() => other.addDevice(edu)).toThrow(expect.objectContaining({ code: 'DMA_ALREADY_ATTACHED' }))
    expect(() => other.removeDevice(edu)).toThrow('not plugged into this machine')
    expect(() => openVfioDevice(edu.address, { kernel: other.kernel })).toThrow('DMA_NO_DEVICE')
    one.kernel.close(fd)
    one.assertQuiescent()
    other.assertQuiescent()
  })
})
