import { describe, expect, it } from 'vitest'
import { accessOf, parseInfo } from './info'

const lines = [
  'pos:\t0',
  'flags:\t02000002',
  'mnt_id:\t9',
  'ino:\t5',
  'size:\t16384',
  'count:\t4',
  'exp_name:\tudmabuf',
]
const withName = (name: string) => parseInfo([...lines, `name:\t${name}`, ''].join('\n'))?.name

describe('what /proc says of a dma-buf', () => {
  it('is read field by field', () => {
    expect(parseInfo(`${lines.join('\n')}\n`)).toEqual({
      size: 16384,
      references: 4,
      exporter: 'udmabuf',
      name: undefined,
      inode: 5,
      access: 'read-write',
    })
  })

  it('is nothing for another file', () => {
    expect(parseInfo(lines.slice(0, 4).join('\n'))).toBe(undefined)
    expect(parseInfo('')).toBe(undefined)
  })

  it.each(['cap0', ' two  spaces ', '\t', 'size:\t9', 'a\u2028b', 'a\rb', 'exp_name:\tother'])(
    'has the name %j as it is',
    (name) => {
      expect(withName(name)).toBe(name)
    },
  )

  it('calls a buffer without a name by none', () => {
    expect(withName('')).toBe(undefined)
  })

  it('believes no line that a name has in it', () => {
    const info = parseInfo([...lines, 'name:\tx\nsize:\t1\nino:\t1\nexp_name:\tother', ''].join('\n'))
    expect([info?.size, info?.inode, info?.exporter]).toEqual([16384, 5, 'udmabuf'])
  })

  it('has the access that the descriptor permits', () => {
    expect(
      ['02000000', '02000001', '02000002', '0100002'].map((flags) => accessOf(`flags:\t${flags}\n`)),
    ).toEqual(['read', 'write', 'read-write', 'read-write'])
  })

  it('takes a kernel that tells no inode', () => {
    expect(parseInfo(lines.filter((line) => !line.startsWith('ino')).join('\n'))?.inode).toBe(0)
  })
})
