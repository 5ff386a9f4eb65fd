import { describe, expect, it } from 'vitest'
import { applyEdits, dmaMemoryEdits, oldDmemEdits } from './module-edits.mjs'

const edits = [
  { anchor: 'int one;\n', text: 'int one;\nint two;\n' },
  { anchor: 'return 0;', text: 'return two;' },
]

describe('applyEdits', () => {
  it('puts each text in the place of its anchor and leaves the rest', () => {
    expect(applyEdits('int one;\nint f(void) { return 0; }\n', edits, 'f.c')).toBe(
      'int one;\nint two;\nint f(void) { return two; }\n',
    )
  })

  it('leaves a text alone that says what a pattern would be', () => {
    expect(applyEdits('a $& b', [{ anchor: '$&', text: "$1$'" }], 'f.c')).toBe("a $1$' b")
  })

  it.each([
    ['not there', 'int one;\n', '"return 0;" is in it 0 times'],
    ['there twice', 'int one;\nreturn 0; return 0;', '"return 0;" is in it 2 times'],
  ])('refuses a source in which an anchor is %s', (_, source, message) => {
    expect(() => applyEdits(source, edits, 'f.c')).toThrow(message)
    expect(() => applyEdits(source, edits, 'f.c')).toThrow('f.c')
  })
})

it.each([
  ['uio_dmem_genirq.c', oldDmemEdits],
  ['uio.c', dmaMemoryEdits],
])('no edit of %s brings in the anchor of a later one', (name, list) => {
  const source = list.map(({ anchor }) => anchor).join('\n')
  const edited = applyEdits(source, list, name)
  for (const { text } of list) expect(edited).toContain(text)
})
