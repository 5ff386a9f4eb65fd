import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { reportFileName, saveReport } from './report-file'

const scratch = mkdtempSync(path.join(tmpdir(), 'linux-dma-reports-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

it.each([
  ['the driver starts', 'the-driver-starts'],
  ['../../etc/passwd', 'etc-passwd'],
  ['C:\\CON: <a|b>?*"', 'C-CON-a-b'],
  ['héllo', 'he-llo'],
  ['日本', 'test'],
  ['a'.repeat(300), 'a'.repeat(80)],
  ['a\u0000b\nc', 'a-b-c'],
])('makes a file name of any test name: %j', (name, plain) => {
  expect(reportFileName(name)).toMatch(new RegExp(`^${plain.replaceAll('.', '\\.')}-[0-9a-f]{8}\\.html$`))
})

it('tells tests apart whose names differ in what is left out', () => {
  expect(reportFileName('日本')).not.toBe(reportFileName('中国'))
  expect(reportFileName('a b', 'one file')).not.toBe(reportFileName('a b', 'another'))
})

it('writes whole files, over older ones, and leaves no drafts', () => {
  const folder = path.join(scratch, 'deep', 'down')
  const first = saveReport(folder, 'a test', 'old')
  expect(saveReport(folder, 'a test', 'new')).toBe(first)
  expect(readFileSync(first, 'utf8')).toBe('new')
  expect(readdirSync(folder)).toEqual([path.basename(first)])
})

it('says why it cannot', () => {
  writeFileSync(path.join(scratch, 'file'), '')
  expect(() => saveReport(path.join(scratch, 'file'), 'a test', '')).toThrow(/EEXIST|ENOTDIR/)
})
