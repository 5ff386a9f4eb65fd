import { DmaError, O_RDWR } from '@linux-dma/native'
import { openVfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'
import type { FakeMachine } from '../machine'
import { DeviceModel } from '../models/device-model'
import { EduDevice } from '../models/edu'
import { failNth } from './fail-nth'
import type { FailNthOptions, FailNthRun, FailNthScenario } from './types'

/** Opens what it closes: a counter, and its own copy. */
const tidy: FailNthScenario = ({ kernel }) => {
  const fd = kernel.eventfd()
  try {
    kernel.close(kernel.duplicate(fd))
  } finally {
    kernel.close(fd)
  }
}

/** What one thing that goes wrong is told as. */
async function complaints(scenario: FailNthScenario, options = {}): Promise<string> {
  const { failures } = await failNth(scenario, { collect: true, ...options })
  return failures.map(({ syscall, nth, code, what }) => `${syscall} ${nth} ${code}: ${what}`).join('\n')
}

it('fails each call once with each errno that Linux can answer there', async () => {
  const runs: FailNthRun[] = []
  const result = await failNth(tidy, { onRun: (run) => runs.push(run) })
  expect(result.calls.map(({ syscall, nth }) => [syscall, nth])).toEqual([
    ['eventfd', 1],
    ['fcntl(F_DUPFD_CLOEXEC)', 1],
    ['close', 1],
    ['close', 2],
  ])
  expect(result.calls[0]!.at).toContain('fail-nth.test.ts')
  expect(runs.map(({ syscall, code }) => `${syscall} ${code}`)).toEqual([
    'eventfd EMFILE',
    'eventfd ENFILE',
    'eventfd ENOMEM',
    'fcntl(F_DUPFD_CLOEXEC) EMFILE',
    'fcntl(F_DUPFD_CLOEXEC) ENOMEM',
  ])
  expect(result).toMatchObject({ runs: 5, coped: 0, failures: [] })
})

it('counts what a scenario copes with', async () => {
  const copes: FailNthScenario = ({ kernel }) => {
    try {
      kernel.unlink('/run/none')
    } catch {}
    try {
      tidy({ kernel } as never)
    } catch {}
  }
  const { runs, coped } = await failNth(copes, { errnos: ['EIO'] })
  expect([runs, coped]).toEqual([5, 5])
})

it('fails only what is meant, by system call, verb or pattern, and says which there are', async () => {
  const meant = async (verbs: (string | RegExp)[]) => (await failNth(tidy, { verbs })).runs
  expect(await meant(['eventfd'])).toBe(3)
  expect(await meant(['duplicate'])).toBe(2)
  expect(await meant([/^e|^f/])).toBe(5)
  await expect(meant(['eventfd', 'mmap'])).rejects.toMatchObject({
    code: 'DMA_INVALID_ARGUMENT',
    hint: expect.stringContaining('eventfd, fcntl(F_DUPFD_CLOEXEC), close'),
  })
})

it('has nothing to fail in a scenario that makes no call', async () => {
  expect(await failNth(() => {})).toEqual({ calls: [], runs: 0, coped: 0, failures: [] })
  await expect(failNth(() => {}, { verbs: ['mmap'] })).rejects.toMatchObject({ code: 'DMA_INVALID_ARGUMENT' })
})

it('fails each call with one errno, another one each time, where that is enough', async () => {
  const codes: string[] = []
  const twice: FailNthScenario = ({ kernel }) => {
    for (let round = 0; round < 2; round++) kernel.close(kernel.eventfd())
  }
  await failNth(twice, { errnos: 'one', onRun: ({ code }) => codes.push(code) })
  expect(codes).toEqual(['EMFILE', 'ENFILE'])
})

it('leaves out what prepare does', async () => {
  const { calls } = await failNth(tidy, { prepare: ({ kernel }) => void kernel.eventfd() })
  expect(calls).toHaveLength(4)
})

it('fails what a loop does once where each place counts once', async () => {
  const loop: FailNthScenario = ({ kernel }) => {
    for (let round = 0; round < 10; round++) kernel.list('/proc')
    kernel.list('/sys')
  }
  const errnos = ['EMFILE']
  expect((await failNth(loop, { errnos })).runs).toBe(11)
  expect((await failNth(loop, { errnos, oncePerPlace: true })).runs).toBe(2)
})

it('finds what is left open', async () => {
  const leaks: FailNthScenario = ({ kernel }) => {
    const fd = kernel.eventfd()
    kernel.close(kernel.duplicate(fd))
    kernel.close(fd)
  }
  const failed = failNth(leaks)
  await expect(failed).rejects.toMatchObject({ code: 'DMA_FAIL_NTH' })
  await expect(failed).rejects.toThrow(
    /2 of 5 runs.*\n {2}left: descriptor 3 of eventfd.*\n {4}when fcntl\(F_DUPFD_CLOEXEC\) fails, number 1 with EMFILE, ENOMEM, at .*fail-nth\.test\.ts/,
  )
})

it('finds a mapping and a watch that are left', async () => {
  const maps: FailNthScenario = async ({ kernel }) => {
    const fd = kernel.memfd('test', { byteLength: 4096 })
    const mapping = kernel.mmap(fd, { byteLength: 4096 })
    kernel.close(fd)
    const counter = kernel.eventfd()
    const watch = kernel.watch(counter, 8, { onCount() {}, onError() {} })
    kernel.list('/proc')
    watch.close()
    kernel.close(counter)
    mapping.close()
  }
  const text = await complaints(maps, { verbs: ['list'], errnos: ['EMFILE'] })
  expect(text).toMatch(/left: mapping of 4096 bytes/)
  expect(text).toMatch(/left: watch of descriptor 3 of eventfd, begun at .*fail-nth\.test\.ts/)
})

it.each<[string, () => never, RegExp]>([
  ['another class', () => [].at(1)!, /TypeError.*no DmaError/],
  ['a DmaError without a word', () => raise(new DmaError('EDU_BROKEN', '')), /says nothing: EDU_BROKEN/],
  [
    'another failure',
    () => raise(new DmaError('EDU_WRONG', 'no answer')),
    /says nothing of the call: EDU_WRONG/,
  ],
])('finds an error that is %s', async (_, fails, what) => {
  const hides: FailNthScenario = ({ kernel }) => {
    try {
      kernel.list('/proc')
    } catch {
      const error = fails()
      throw (error as object).constructor
    }
  }
  expect(await complaints(hides, { errnos: ['EMFILE'] })).toMatch(what)
})

function raise(error: Error): never {
  throw error
}

it('takes an error for clear that has a clear one as its cause, or that says what failed', async () => {
  const wraps =
    (wrap: (cause: unknown) => Error): FailNthScenario =>
    ({ kernel }) => {
      try {
        kernel.list('/proc')
      } catch (error) {
        throw wrap(error)
      }
    }
  expect(await complaints(wraps((cause) => new Error('no list', { cause })))).toBe('')
  expect(await complaints(wraps(() => new DmaError('MY_LIST', 'scandir failed')))).toBe('')
  expect(await complaints(wraps((cause) => new AggregateError([cause])))).toBe('')
  class Own extends Error {}
  const isClear = (error: unknown) => error instanceof Own
  expect(
    await complaints(
      wraps(() => new Own()),
      { isClear },
    ),
  ).toBe('')
})

it('takes a diagnosis for clear that names the file, the device or the call, and no other', async () => {
  const diagnoses =
    (message: string): FailNthScenario =>
    ({ kernel }) => {
      try {
        kernel.close(kernel.open('/dev/vfio/vfio', O_RDWR))
      } catch {
        throw new DmaError('DMA_TIMEOUT', message, { hint: 'wait' })
      }
    }
  const options = { verbs: ['open'], errnos: ['ENOENT', 'EINVAL'] }
  expect(await complaints(diagnoses('there is no /dev/vfio/vfio'), options)).toBe('')
  expect(await complaints(diagnoses('open failed'), options)).toBe('')
  for (const unrelated of ['the moon is full', 'vfio is old', 'it is reopened']) {
    const text = await complaints(diagnoses(unrelated), options)
    expect(text).toMatch(/open 1 ENOENT: .*says nothing of the call: DMA_TIMEOUT.*\n.*\n?open 1 EINVAL/)
  }
})

it('takes a diagnosis for clear that names the device where the call named it, and for no other call', async () => {
  const address = '0000:00:04.0'
  const diagnoses =
    (message: string, hint?: string): FailNthScenario =>
    ({ kernel }) => {
      try {
        kernel.readLink(`/sys/bus/pci/devices/${address}/driver`)
        kernel.close(kernel.eventfd())
        kernel.close(kernel.open('/dev/vfio/vfio', O_RDWR))
      } catch (cause) {
        const tooOld = message === '' ? { cause } : hint === undefined ? {} : { hint }
        throw new DmaError('DMA_TIMEOUT', message || 'it did not work', tooOld)
      }
    }
  const of = (verb: string) => ({
    prepare: (machine: FakeMachine) => void machine.addDevice(new EduDevice(), { address }),
    verbs: [verb],
  })
  const unclear = /says nothing of the call: DMA_TIMEOUT/
  const tooOld = diagnoses(`${address}: the firmware is too old`)
  expect(await complaints(tooOld, of('readlink'))).toBe('')
  expect(await complaints(tooOld, of('eventfd'))).toMatch(unclear)
  expect(await complaints(tooOld, of('open'))).toMatch(unclear)
  expect(await complaints(diagnoses('0000:00:05.0: no answer'), of('readlink'))).toMatch(unclear)
  // What each device has, and what anybody may be told to do, is no name of what failed.
  expect(await complaints(diagnoses('the driver is too old'), of('readlink'))).toMatch(unclear)
  expect(await complaints(diagnoses('no answer', 'open it again'), of('open'))).toMatch(unclear)
  for (const verb of ['readlink', 'eventfd', 'open']) {
    expect(await complaints(diagnoses(''), of(verb))).toBe('')
  }
})

/** Writes where it is told. */
class HandDevice extends DeviceModel {
  override readonly identity = { vendor: 0x1234, device: 0x0002 }

  override read(): number {
    return 0
  }

  override write(): void {}

  put(address: number): void {
    this.dma.write(address, new Uint8Array(64))
  }
}

it('finds a device that reaches for what it does not have, unless it does where no call fails', async () => {
  const of = (always: boolean): [FailNthScenario, FailNthOptions] => {
    let hand: HandDevice | undefined
    const scenario: FailNthScenario = ({ kernel }) => {
      using device = openVfioDevice(hand!.address, { kernel })
      device.setMaster()
      try {
        kernel.close(kernel.eventfd())
        if (always) hand!.put(0x5555000)
      } catch {
        // A driver that goes on with an address that it never got.
        hand!.put(0x5555000)
      }
    }
    const prepare = (machine: FakeMachine) => {
      hand = machine.addDevice(new HandDevice())
    }
    return [scenario, { prepare, verbs: ['eventfd'], errnos: ['EMFILE'] }]
  }
  const [reaches, options] = of(false)
  expect(await complaints(reaches, options)).toMatch(
    /eventfd \d+ EMFILE: reached for what it does not have: 0000:00:0\d\.0, by a write of 64 bytes at 0x5555000/,
  )
  expect(await complaints(reaches, { ...options, allowDmaErrors: true })).toBe('')
  expect(await complaints(...of(true))).toBe('')
})

it('waits for the host as long as it is told, by its own time', async () => {
  const waits: FailNthScenario = async ({ kernel }) => {
    const fd = kernel.eventfd()
    await new Promise((resolve) => setTimeout(resolve, 600))
    kernel.close(fd)
  }
  const options = { verbs: ['eventfd'], errnos: ['EMFILE'] }
  expect(await complaints(waits, options)).toBe('')
  await expect(failNth(waits, { ...options, hostMilliseconds: 50 })).rejects.toMatchObject({
    code: 'DMA_FAIL_NTH',
    message: expect.stringContaining('nor came from the host in 50 ms (hostMilliseconds)'),
  })
})

it('takes a host that stands still for none that nothing comes from', async () => {
  const starved: FailNthScenario = async ({ kernel }) => {
    const fd = kernel.eventfd()
    for (let round = 0; round < 3; round++) {
      await new Promise((resolve) => setImmediate(resolve))
      const end = performance.now() + 100
      while (performance.now() < end);
    }
    kernel.close(fd)
  }
  const options = { verbs: ['eventfd'], errnos: ['EMFILE'], hostMilliseconds: 100 }
  expect(await complaints(starved, options)).toBe('')
})

it('finds a scenario that waits for what never comes, and one that goes on for ever', async () => {
  const waits: FailNthScenario = async ({ kernel }) => {
    try {
      kernel.list('/proc')
    } catch {
      const fd = kernel.eventfd()
      await kernel.poll(fd, 1)
    }
  }
  const errnos = ['EMFILE']
  expect(await complaints(waits, { errnos })).toMatch(/hangs: it waits, and nothing is left/)
  const sleeps: FailNthScenario = async ({ kernel }) => {
    try {
      kernel.list('/proc')
    } catch {
      for (;;) await kernel.clock.sleep(1)
    }
  }
  expect(await complaints(sleeps, { errnos, timeoutMilliseconds: 50 })).toMatch(
    /hangs: it goes on after 50 ms/,
  )
})

it('finds a machine that cannot be used again', async () => {
  const broken = new WeakSet<object>()
  const spoils: FailNthScenario = (machine) => {
    if (broken.has(machine)) throw new Error('spoilt')
    try {
      machine.kernel.list('/proc')
    } catch (error) {
      broken.add(machine)
      throw error
    }
  }
  expect(await complaints(spoils, { errnos: ['EMFILE'] })).toMatch(/fails on the same machine.*spoilt/)
})

it('finds a scenario that is another one each time', async () => {
  let runs = 0
  const changes: FailNthScenario = ({ kernel }) => {
    if (runs++ === 0) kernel.list('/proc')
  }
  expect(await complaints(changes, { errnos: ['EMFILE'] })).toMatch(/did not make this call/)
})

it('hands on what a scenario throws where nothing fails, and says what it leaves', async () => {
  await expect(failNth(() => raise(new RangeError('mine')))).rejects.toThrow(RangeError)
  await expect(failNth(({ kernel }) => void kernel.eventfd())).rejects.toMatchObject({
    code: 'DMA_FAIL_NTH',
    message: expect.stringMatching(/where no call fails:\nleft: descriptor 3/),
  })
})

it('refuses options that make no sense', async () => {
  const wrong: object[] = [
    { verb: ['mmap'] },
    { verbs: [] },
    { verbs: [1] },
    { errnos: ['ENONSENSE'] },
    { errnos: 'EIO' },
    { timeoutMilliseconds: 0 },
    { hostMilliseconds: 0.5 },
    { collect: 1 },
    { prepare: 1 },
    { machine: { iomu: 'on' } },
  ]
  for (const options of wrong) {
    await expect(failNth(tidy, options)).rejects.toMatchObject({ code: 'DMA_INVALID_ARGUMENT' })
  }
  await expect(failNth('scenario' as never)).rejects.toMatchObject({ code: 'DMA_INVALID_ARGUMENT' })
})

it('refuses a second one beside it, and takes one after it', async () => {
  const first = failNth(tidy)
  await expect(failNth(tidy)).rejects.toMatchObject({ code: 'DMA_IN_USE' })
  await first
  expect((await failNth(tidy)).runs).toBe(5)
})

it('runs the same each time', async () => {
  const opens: FailNthScenario = ({ kernel }) => kernel.close(kernel.open('/dev/vfio/vfio', O_RDWR))
  const results: unknown[] = []
  for (let round = 0; round < 2; round++) results.push(await failNth(opens))
  expect(results[0]).toEqual(results[1])
})
