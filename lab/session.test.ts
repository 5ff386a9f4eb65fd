import { afterEach, describe, expect, it, vi } from 'vitest'
import { Recorder } from './recorder.mjs'
import { judgeGuest } from './session.mjs'

const marker = (text: string) => Buffer.from(`\x1e@@lab token ${text}\n`)

/** How a guest ended whose ports said this, and then nothing. */
function judge(says: { output?: Uint8Array[]; errors?: Uint8Array[]; log?: string; timedOut?: boolean }) {
  const record = new Recorder('token')
  for (const chunk of says.output ?? []) record.reader('lab.output')(chunk)
  for (const chunk of says.errors ?? []) record.reader('lab.errors')(chunk)
  record.reader('lab.kernel-log')(Buffer.from(says.log ?? '6,1,1000,-;Linux version\n'))
  const printed = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const outcome = {
    ...record.finish(),
    console: '',
    timedOut: says.timedOut ?? true,
    totalMilliseconds: 1,
  }
  const session = { options: { timeoutSeconds: 30 }, say: () => {} } as never
  const error = judgeGuest(session, outcome)
  return { error, log: printed.mock.calls.join('') }
}
afterEach(() => vi.restoreAllMocks())

describe('judgeGuest', () => {
  it('says what a script printed last that did not end in time, and leaves the kernel log out', () => {
    const { error, log } = judge({
      output: [marker('begin script'), Buffer.from('waiting for frame 1\nwaiting for frame 2\n\n')],
      errors: [marker('begin script')],
    })
    expect(error?.message).toBe(
      'the guest was ended at its time limit of 30 s; the script printed nothing for the last 0 s, and before that: waiting for frame 2',
    )
    expect(error?.exitStatus).toBe(124)
    expect(log).toBe('')
  })

  it('takes what it wrote to standard error last, where that came later', () => {
    const { error } = judge({
      output: [marker('begin script'), Buffer.from('first\n')],
      errors: [marker('begin script'), Buffer.from('second')],
    })
    expect(error?.message).toMatch(/: second$/)
  })

  it('says of one that printed nothing that it did not', () => {
    const { error } = judge({ output: [marker('begin conformance-iommu')] })
    expect(error?.message).toMatch(/30 s; conformance-iommu printed nothing at all$/)
  })

  it.each([
    '0,9,5,-;watchdog: BUG: soft lockup - CPU#1 stuck for 26s!',
    '3,9,5,-;rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:',
    '3,9,5,-;INFO: task node:99 blocked for more than 120 seconds.',
    '1,9,5,-;BUG: kernel NULL pointer dereference, address: 0',
  ])('prints the kernel log where the kernel had a part in it: %s', (record) => {
    const { error, log } = judge({ output: [marker('begin script')], log: `${record}\n` })
    expect(log).toContain(record.split(';')[1])
    expect(error?.exitStatus).toBe(124)
  })

  it('prints the kernel log of a guest that did not come up, or ended early', () => {
    expect(judge({}).log).toContain('Linux version')
    const early = judge({ output: [marker('begin script')], timedOut: false })
    expect(early.log).toContain('Linux version')
    expect(early.error?.exitStatus).toBe(125)
  })

  it('finds nothing amiss with one that came to its end', () => {
    const output = [marker('begin script'), marker('end script 3'), marker('done')]
    expect(judge({ output, timedOut: false }).error).toBeUndefined()
  })
})
