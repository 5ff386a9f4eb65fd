import { inspect } from 'node:util'
import { isDmaError } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { failNth } from './fail-nth'
import type { FailNthError } from './fail-nth-error'
import type { FailNthScenario } from './types'

/** Two mistakes: what is open stays open where something fails, and one failure is told as something else. */
const twoMistakes: FailNthScenario = ({ kernel }) => {
  const fd = kernel.eventfd()
  kernel.close(kernel.duplicate(fd))
  kernel.close(kernel.duplicate(fd))
  try {
    kernel.list('/proc')
  } catch {
    kernel.close(fd)
    throw new TypeError('no list')
  }
  kernel.close(fd)
}

async function failed(scenario: FailNthScenario): Promise<FailNthError> {
  const error = await failNth(scenario).catch((error) => error)
  expect(isDmaError(error, 'DMA_FAIL_NTH')).toBe(true)
  return error
}

/** A message with its places left out. */
function withoutPlaces({ message }: Error): string {
  return message.replace(
    /at \S+ \([^)]*report\.test\.ts:\d+:\d+\)|at [^\n]*report\.test\.ts:\d+:\d+/g,
    'at …',
  )
}

it('tells each problem once, with the calls that it comes of', async () => {
  expect(withoutPlaces(await failed(twoMistakes)).split('\n')).toEqual([
    'DMA_FAIL_NTH: 9 of 12 runs with a call failing went wrong:',
    '  left: descriptor 3 of eventfd, opened at …',
    '    when fcntl(F_DUPFD_CLOEXEC) fails, number 1 with EMFILE, ENOMEM, at …',
    '    when fcntl(F_DUPFD_CLOEXEC) fails, number 2 with EMFILE, ENOMEM, at …',
    '  ended with TypeError: no list, which is no DmaError',
    "    when scandir '/proc' fails, number 1 with ENOENT, EACCES, ENOTDIR, EMFILE, ENOMEM, at …",
    '  hint: run one of them alone: failNth(scenario, { verbs, errnos })',
  ])
})

it('tells of a loop in one line, and of all that one place leaves', async () => {
  const loop: FailNthScenario = ({ kernel }) => {
    const fds: number[] = []
    for (let round = 0; round < 2; round++) fds.push(kernel.eventfd())
    for (let round = 0; round < 3; round++) kernel.list('/proc')
    for (const fd of fds) kernel.close(fd)
  }
  const lines = withoutPlaces(await failed(loop)).split('\n')
  expect(lines.slice(1, -1)).toEqual([
    '  left: descriptor 3 of eventfd, opened at …',
    '    when eventfd fails, number 2 with EMFILE, ENFILE, ENOMEM, at …',
    "    when scandir '/proc' fails, number 1, 2, 3 with ENOENT, EACCES, ENOTDIR, EMFILE, ENOMEM, at …",
    '  left: descriptor 4 of eventfd, opened at …',
    "    when scandir '/proc' fails, number 1, 2, 3 with ENOENT, EACCES, ENOTDIR, EMFILE, ENOMEM, at …",
  ])
})

it('tells no more problems than can be read', async () => {
  const many: FailNthScenario = ({ kernel }) => {
    for (let count = 0; count < 30; count++) kernel.eventfd()
    kernel.list('/proc')
    for (let fd = 3; fd < 33; fd++) kernel.close(fd)
  }
  const { message } = await failed(many)
  expect(message).toMatch(/\n {2}and 10 more problems\n {2}hint/)
})

it('has all runs for a program, which no runner prints', async () => {
  const error = await failed(twoMistakes)
  expect(error.result.failures.map(({ error }) => (error as Error).name)).toContain('TypeError')
  expect(error.cause).toBeUndefined()
  expect(Object.keys(error)).not.toContain('result')
  // As node:test prints it, and what Vitest asks for.
  expect(inspect(error)).not.toMatch(/result|failures|the test asked/)
  expect(JSON.parse(JSON.stringify(error))).toEqual({ code: 'DMA_FAIL_NTH' })
})
