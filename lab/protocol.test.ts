import fastCheck from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MarkerReader, parseResults } from './protocol.mjs'

const token = 'feed'
const marker = (text: string) => `\x1e@@lab ${token} ${text}\n`

function read(chunks: Uint8Array[]) {
  const events: string[] = []
  const bytes: Uint8Array[] = []
  const reader = new MarkerReader(token, {
    onMarker: (found) => events.push(JSON.stringify(found)),
    onBytes: (chunk) => bytes.push(Uint8Array.from(chunk)),
  })
  for (const chunk of chunks) reader.write(chunk)
  reader.end()
  return { events, output: Buffer.concat(bytes) }
}

describe('MarkerReader', () => {
  it('takes the markers out and leaves every other byte', () => {
    const { events, output } = read([
      Buffer.from(`${marker('begin a')}no line end${marker('end a 3')}${marker('done')}`),
    ])
    expect(events).toEqual([
      '{"kind":"begin","id":"a"}',
      '{"kind":"end","id":"a","status":3}',
      '{"kind":"done"}',
    ])
    expect(output.toString()).toBe('no line end')
  })

  it('gives the reason of a guest that could not be set up', () => {
    expect(read([Buffer.from(marker('failed insmod vfio failed'))]).events).toEqual([
      '{"kind":"failed","reason":"insmod vfio failed"}',
    ])
  })

  it('takes nothing for a marker that carries another token', () => {
    const text = '\x1e@@lab beef end a 0\n\x1e\x1e@@lab\n'
    expect(read([Buffer.from(text)])).toEqual({ events: [], output: Buffer.from(text) })
  })

  it('hands on the beginning of a marker that never came to its end', () => {
    const text = `x\x1e@@lab ${token} en`
    expect(read([Buffer.from(text)]).output.toString()).toBe(text)
  })

  it('reads the same from any cut of the stream', () => {
    const piece = fastCheck.oneof(
      fastCheck.uint8Array({ maxLength: 8 }),
      fastCheck
        .constantFrom('\x1e', '\x1e@@lab ', `\x1e@@lab ${token}`, 'text\n')
        .map((text) => Buffer.from(text)),
    )
    const property = fastCheck.property(
      fastCheck.array(piece),
      fastCheck.array(fastCheck.nat(200)),
      (noise, cuts) => {
        // A separator right behind the noise makes sure that what noise began is not continued by the marker.
        const before = Buffer.concat([...noise, Buffer.from('\n')])
        const stream = Buffer.concat([before, Buffer.from(`${marker('begin b')}ok${marker('end b 0')}`)])
        const edges = [0, ...cuts.map((cut) => Math.min(cut, stream.length)), stream.length].sort(
          (a, b) => a - b,
        )
        const chunks = edges.slice(1).map((edge, index) => stream.subarray(edges[index], edge))
        expect(read(chunks)).toEqual(read([stream]))
      },
    )
    fastCheck.assert(property)
  })
})

describe('parseResults', () => {
  it('reads result lines and nothing else', () => {
    const output =
      'noise\n@@result {"name":"a","ok":true,"milliseconds":3}\r\nsee @@result {}\n@@result {"name":"b","ok":false}\n'
    expect(parseResults(output)).toEqual([
      { name: 'a', ok: true, milliseconds: 3 },
      { name: 'b', ok: false },
    ])
  })

  it.each(['@@result {"name":"a"', '@@result {"ok":true}', '@@result null'])(
    'counts %j as a failed test',
    (line) => {
      expect(parseResults(line)).toMatchObject([{ ok: false }])
    },
  )
})
