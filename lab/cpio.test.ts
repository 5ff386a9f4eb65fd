import { describe, expect, it } from 'vitest'
import { writeArchive } from './cpio.mjs'

const entries = [
  { path: '/a/b/program', data: Buffer.from('#!/bin/sh\n'), executable: true },
  { path: '/a/text', data: Buffer.from('odd') },
  { path: '/a/link', target: 'b/program' },
  { path: '/empty' },
]

/** Reads the "newc" format as its description has it: 13 numbers of 8 hexadecimal digits, a name, the data. */
function readArchive(archive: Buffer) {
  const found = []
  for (let at = 0; at < archive.length; ) {
    const field = (index: number) =>
      Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16)
    const [mode, byteLength, nameByteLength] = [field(1), field(6), field(11)]
    const magic = archive.toString('latin1', at, at + 6)
    const name = archive.toString('utf8', at + 110, at + 110 + nameByteLength - 1)
    const data = align(at + 110 + nameByteLength)
    found.push({
      magic,
      name,
      mode: mode.toString(8),
      text: archive.toString('utf8', data, data + byteLength),
    })
    at = align(data + byteLength)
  }
  return found
}

const align = (byteOffset: number) => Math.ceil(byteOffset / 4) * 4

describe('writeArchive', () => {
  it('writes files, links and directories, each parent once and before what is in it', () => {
    const found = readArchive(Buffer.concat(writeArchive(entries)))
    expect(found.every(({ magic }) => magic === '070701')).toBe(true)
    expect(found.map(({ name, mode, text }) => [name, mode, text])).toEqual([
      ['a', '40755', ''],
      ['a/b', '40755', ''],
      ['a/b/program', '100755', '#!/bin/sh\n'],
      ['a/text', '100644', 'odd'],
      ['a/link', '120777', 'b/program'],
      ['empty', '40755', ''],
      ['TRAILER!!!', '0', ''],
    ])
  })

  it('ends at a multiple of four bytes, so that another archive may follow', () => {
    const archive = Buffer.concat(writeArchive(entries))
    expect(archive.length % 4).toBe(0)
    const both = readArchive(Buffer.concat([archive, ...writeArchive([{ path: '/b' }])]))
    expect(both.map(({ name }) => name).slice(-3)).toEqual(['TRAILER!!!', 'b', 'TRAILER!!!'])
  })

  it('gives the same bytes for the same entries', () => {
    expect(Buffer.concat(writeArchive(entries)).equals(Buffer.concat(writeArchive(entries)))).toBe(true)
  })

  it('refuses a relative path', () => {
    expect(() => writeArchive([{ path: 'a' }])).toThrow(RangeError)
  })
})
