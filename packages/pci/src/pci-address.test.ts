import { describe, expect, it } from 'vitest'
import { parsePciAddress } from './pci-address'

describe('parsePciAddress', () => {
  it.each([
    ['0000:00:04.0', '0000:00:04.0'],
    ['04:1F.7', '0000:04:1f.7'],
    [' 0000:00:04.0\n', '0000:00:04.0'],
    ['00000000:3B:00.0', '0000:3b:00.0'],
    ['10000:e1:00.0', '10000:e1:00.0'],
    ['ABCD:00:00.0', 'abcd:00:00.0'],
  ])('%j is %s', (text, address) => {
    expect(parsePciAddress(text)).toBe(address)
  })

  it.each([
    '',
    '4',
    '0:04.0',
    '00:04',
    '00:04.8',
    '00:20.0',
    '000:00:04.0',
    'g0:04.0',
    '0000:00:04.0/..',
    4,
    null,
  ])('refuses %j', (text) => {
    expect(() => parsePciAddress(text as string)).toThrow(
      expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT', hint: expect.stringContaining('lspci -D') }),
    )
  })
})
