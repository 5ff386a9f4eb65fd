import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { sampleTrace, staleRead } from '../fixtures/sample-trace'
import type { Trace } from '../trace/trace-event'
import { writeReport } from './write-report'

/** What is between the tags of an element. */
const inside = (page: string, tag: RegExp) => new RegExp(`${tag.source}(.*?)</`, 's').exec(page)![1]!

describe('a report', () => {
  it('has the trace in it, whatever that says', () => {
    const message = '</script><script>alert(1)</script>\u2028\u2029<!-- \ud800'
    const trace = sampleTrace([{ kind: 'note', time: 0, message }])
    const page = writeReport(trace)
    const json = inside(page, /id="trace">/)
    expect(JSON.parse(json)).toEqual(trace)
    expect(/[<>\u2028\u2029]/.test(json)).toBe(false)
    expect(page.match(/<script/g)).toHaveLength(2)
  })

  it('lets nothing in but its own script and style', () => {
    const page = writeReport(staleRead())
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!
    expect(policy).toMatch(/^default-src 'none';/)
    const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
    expect(policy).toContain(`script-src ${hash(/<\/script>\n<script>(.*)<\/script>/s.exec(page)![1]!)};`)
    expect(policy).toContain(`style-src ${hash(inside(page, /<style>/))};`)
    expect(/https?:|src=|@import|url\(/.exec(page.replaceAll('http-equiv', ''))).toBeNull()
  })

  it('is a table without scripts: the problems, and the last thousand events', () => {
    const notes = Array.from(
      { length: 1500 },
      (_, i) => ({ kind: 'note', time: i, message: `<b>${i}` }) as const,
    )
    const page = writeReport(sampleTrace(notes))
    expect([page.match(/<tr>/g)!.length, page.includes('last 1000 of 1500')]).toEqual([1001, true])
    expect(page.includes('<td><b>1')).toBe(false)
    expect(writeReport(staleRead()).includes('<li>event 6: bytes 64..127 were read by the CPU')).toBe(true)
  })

  it('reassures nobody of what failed', () => {
    const trace = sampleTrace([{ kind: 'note', time: 0, message: 'begin' }])
    expect(writeReport(trace).includes('<p>There are no problems.</p>')).toBe(true)
    const failed = writeReport(trace, { failure: 'it is not the packet' })
    expect(/<p>(Nothing in this trace is known to be wrong.*?)<\/p>/.test(failed)).toBe(true)
    expect(failed.includes('There are no problems')).toBe(false)
  })

  it('takes what knows its trace, and is the same page each time', () => {
    const trace = staleRead()
    const page = writeReport(
      { toJSON: () => trace },
      { title: 'a < b', failure: '\u001b[31mc\u001b[39m & d' },
    )
    expect(page === writeReport(trace, { title: 'a < b', failure: 'c & d' })).toBe(true)
    expect(page.includes('<h1>a &#60; b</h1>')).toBe(true)
    expect(page.includes('<pre>c &#38; d</pre>')).toBe(true)
  })

  it.each([
    ['nothing', null, {}, 'version'],
    ['another version', { version: 2, machine: 'x', events: [], dropped: 0 }, {}, 'version 1'],
    ['events that are no list', { version: 1, machine: 'x', events: {}, dropped: 0 }, {}, 'events'],
    ['a misspelled option', staleRead(), { titel: 'x' }, "no option 'titel'"],
    ['an error in place of its words', staleRead(), { failure: new Error('x') }, 'failure'],
  ])('refuses %s', (_, trace, options, message) => {
    const write = () => writeReport(trace as Trace, options as object)
    expect(write).toThrow(expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }))
    expect(write).toThrow(message)
  })
})
