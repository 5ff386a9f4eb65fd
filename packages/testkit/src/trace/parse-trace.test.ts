import { describe, expect, it } from 'vitest'
import { eventfulRun } from '../fixtures/eventful-run'
import { fromBase64, toBase64 } from './base64'
import { parseTrace } from './parse-trace'

const head = '{"version":1,"machine":"linux","dropped":0}'
const note = '{"n":0,"time":0,"device":"","kind":"note","message":"x"}'
const read =
  '{"n":0,"time":1.5,"device":"a","kind":"register","access":"read","bar":0,"offset":4,"width":32,"value":7}'

function problem(...lines: string[]): string {
  try {
    parseTrace(lines.join('\n'))
  } catch (error) {
    const { code, message } = error as Error & { code?: string }
    expect(code).toBe('DMA_INVALID_TRACE')
    return message.split('\n')[0]!.slice('DMA_INVALID_TRACE: '.length)
  }
  return 'none'
}

describe('a trace as text', () => {
  it('is read back as it was', async () => {
    const { machine } = await eventfulRun()
    const text = machine.trace.save()
    expect(parseTrace(text)).toEqual(machine.trace.toJSON())
    expect(text.split('\n').length).toBe(machine.trace.events.length + 2)
    expect(parseTrace(`${head}\n${note}\n`)).toEqual({
      version: 1,
      machine: 'linux',
      dropped: 0,
      events: [JSON.parse(note)],
    })
  })

  it('is refused with its line where it is none', () => {
    expect(problem('')).toBe('line 1 of the trace: it is no JSON: ""')
    expect(problem('[]')).toBe('line 1 of the trace: it is no object')
    expect(problem('{"version":2}')).toBe('line 1 of the trace: version is 2')
    expect(problem('{"version":1}')).toBe('line 1 of the trace: machine is missing')
    expect(problem(head, note, '{"n":1')).toBe('line 3 of the trace: it is no JSON: "{\\"n\\":1"')
    expect(problem(head, note, note)).toBe('line 3 of the trace: event 0 is where 1 should be')
    expect(problem(head, note.replace('note', 'toString'))).toMatch(/^line 2 .* no kind of event 'toString'/)
    expect(problem(head, note.replace('"time":0', '"time":-1'))).toBe('line 2 of the trace: time is -1')
    expect(problem(head, note.replace('message', 'text'))).toBe('line 2 of the trace: message is missing')
    expect(problem(head, note.replace('{', '{"extra":1,'))).toMatch(/nothing called 'extra'/)
    expect(problem(head, read)).toBe('none')
    expect(problem(head, read.replace('32', '64'))).toMatch(/64 bits/)
    expect(problem(head, read.replace('7}', '"0x7"}'))).toMatch(/64 bits/)
    expect(problem(head, read.replace('"read"', '"fetch"'))).toMatch(/access is "fetch"/)
    expect(() => parseTrace(undefined as never)).toThrow(
      expect.objectContaining({ code: 'DMA_INVALID_TRACE' }),
    )
  })

  it('is refused with what the line begins with', () => {
    expect(problem('> linux-dma@0.0.0 lab\u001b', head)).toBe(
      'line 1 of the trace: it is no JSON: "> linux-dma@0.0.0 lab\\u001b"',
    )
    expect(problem(`<${'-'.repeat(1000)}>`)).toBe(
      `line 1 of the trace: it is no JSON: "<${'-'.repeat(59)}" …`,
    )
  })

  it('has bytes in base64', () => {
    for (let length = 0; length < 70; length++) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 89 + length) & 0xff)
      expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'))
      expect(fromBase64(toBase64(bytes))).toEqual(bytes)
    }
    const map =
      '{"n":0,"time":0,"device":"a","kind":"unmap","mapping":1,"address":"0x1000","byteLength":4,"bytes":"####"}'
    expect(problem(head, map)).toBe('line 2 of the trace: bytes is "####"')
  })
})
