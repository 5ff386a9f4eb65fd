import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const folder = new URL('../examples/', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.ts'))
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code)

describe('the examples in the README', () => {
  it('are the files in examples/', () => {
    const contents = files.map((name) => readFileSync(new URL(name, folder), 'utf8'))
    expect([...blocks].sort()).toEqual(contents.sort())
  })

  for (const name of files) {
    it(`run: ${name}`, async () => {
      await import(`../examples/${name.replace(/\.ts$/, '')}.ts`)
    })
  }
})

it('has the headings of every package, in their order', () => {
  expect([...readme.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual([
    'What',
    'Install',
    'Ten lines',
    'API',
    'Errors',
    'Permissions and kernel configuration',
    'Test without hardware',
    'Compatibility',
  ])
})
