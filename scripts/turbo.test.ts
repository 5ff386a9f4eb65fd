import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { expect, it } from 'vitest'
import { bin, root } from './steps.mjs'

interface Plan {
  tasks: { taskId: string; command: string; hash: string }[]
}

/** What a task's result is kept under: another name is another build. */
function keys(task: string, environment: Record<string, string>) {
  const clean = Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD)/i.test(name))
  const { stdout } = spawnSync(bin('turbo'), ['run', task, '--dry=json', '--no-update-notifier'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...Object.fromEntries(clean), ...environment, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' },
  })
  const { tasks } = JSON.parse(stdout) as Plan
  return tasks
    .filter(({ command }) => command !== '<NONEXISTENT>')
    .map(({ taskId, hash }) => `${taskId} ${hash}`)
}

it.each([
  ['npm run build --silent', { npm_config_loglevel: 'silent' }],
  ['npm started in a folder of the repository', { INIT_CWD: path.join(root, 'docs') }],
  ['another compiler', { CXX: 'clang++' }],
])('builds nothing anew because of %s', (_, environment) => {
  const plain = keys('build', {})
  expect(plain.length).toBeGreaterThan(8)
  expect(keys('build', environment)).toEqual(plain)
})

it('compiles the addon anew for another compiler or other headers, and for nothing else that npm is told', () => {
  const plain = keys('build:addon', {})
  expect(plain).toHaveLength(1)
  expect(keys('build:addon', { npm_config_loglevel: 'silent' })).toEqual(plain)
  expect(keys('build:addon', { CXX: 'clang++' })).not.toEqual(plain)
  expect(keys('build:addon', { npm_config_nodedir: '/usr' })).not.toEqual(plain)
})
