import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe } from 'vitest'
import { EduDevice } from '../models/edu'
import { expect, test } from './index'

describe('a test that asks for a machine', () => {
  const seen = new Set<unknown>()

  for (const which of ['one test', 'another']) {
    test(`gets one of its own: ${which}`, ({ machine }) => {
      expect(seen.has(machine)).toBe(false)
      seen.add(machine)
      expect(machine.trace.seed).toBe(1)
    })
  }

  test('can have more', ({ machine, createMachine }) => {
    const other = createMachine({ iommu: 'off' })
    expect(other.addDevice(new EduDevice()).address).toBe(machine.addDevice(new EduDevice()).address)
  })
})

describe('machines for a suite', () => {
  test.override({ machineOptions: { iommu: 'off', seed: 7 } })

  test('are made as it says', ({ machine }) => {
    const edu = machine.addDevice(new EduDevice())
    expect(() => machine.groupNode(edu.address)).toThrow('no device')
    expect(machine.trace.seed).toBe(7)
  })
})

describe('a test that leaves something open', () => {
  const reports = path.join(tmpdir(), `linux-dma-none-${process.pid}`)
  test.override({ reportDirectory: reports })
  afterAll(() => {
    if (existsSync(reports)) throw new Error(`there are reports in ${reports}`)
  })

  describe('and tries again', () => {
    test.override({ reportDirectory: false })
    let attempt = 0

    test('passes once it has given back all', { retry: 1 }, ({ machine, task }) => {
      attempt += 1
      if (attempt === 1) machine.kernel.eventfd()
      else expect(task.result?.errors?.map(({ code }) => code)).toEqual(['DMA_LEAK'])
    })
  })

  test('until it is finished, may', ({ machine, onTestFinished }) => {
    const fd = machine.kernel.eventfd()
    onTestFinished(() => machine.kernel.close(fd))
  })

  test.fails('and is to fail, passes, without a report', ({ machine }) => {
    machine.kernel.eventfd()
    throw new Error('as it is to be')
  })

  test.fails('and is to fail, does so by that', ({ machine }) => {
    machine.kernel.eventfd()
  })
})

describe('expectations of a machine', () => {
  test('tell whether something is open', ({ machine }) => {
    const fd = machine.kernel.memfd('open', { byteLength: 4096 })
    expect(machine).not.toBeQuiescent()
    expect(() => expect(machine).toBeQuiescent()).toThrow(/DMA_LEAK.*\n.*memfd:open.*index\.test\.ts/)
    machine.kernel.close(fd)
    expect(machine).toBeQuiescent()
    expect(() => expect(machine).not.toBeQuiescent()).toThrow('nothing is left open')
  })

  test('tell whether something was done wrong with DMA', ({ machine }) => {
    expect(machine).toHaveNoDmaErrors()
    expect(() => expect(machine).not.toHaveNoDmaErrors()).toThrow('nothing was done wrong')
  })

  test.for([undefined, {}, new EduDevice()])('are of nothing else: %s', (value) => {
    for (const matcher of ['toBeQuiescent', 'toHaveNoDmaErrors'] as const) {
      expect(() => expect(value)[matcher]()).toThrow(/DMA_INVALID_ARGUMENT.*fake machine/)
    }
  })
})
