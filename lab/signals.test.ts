import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { signalOf } from './signals.mjs'

it.each(['SEGV', 'BUS', 'KILL', 'TERM'])('reads SIG%s from the status that a shell gives', (name) => {
  // The program is not the shell's last one, which it would become instead of starting it.
  const { status } = spawnSync('/bin/sh', ['-c', `/bin/sh -c 'kill -${name} $$'; exit $?`])
  expect(signalOf(status!)?.name).toBe(`SIG${name}`)
})

it('says what a write to memory for reading does', () => {
  expect(signalOf(139)?.hint).toContain('for reading only')
})

it.each([undefined, 0, 1, 127, 128, 255])('takes %s for no signal', (status) => {
  expect(signalOf(status)).toBeUndefined()
})
