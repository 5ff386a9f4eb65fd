import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sampleTrace, staleRead } from '../fixtures/sample-trace'
import { count, ShownReports, seen, text, whyNoBrowser } from '../fixtures/shown-reports'
import type { Trace } from '../trace/trace-event'

const whyNot = whyNoBrowser()
let reports: ShownReports

beforeAll(() => {
  if (!whyNot) reports = new ShownReports()
})

afterAll(() => reports?.close(), 60_000)

describe.skipIf(whyNot)('keys and filters', { timeout: 60_000 }, () => {
  it('go through events and problems', async () => {
    const page = await reports.show(staleRead())
    const chosen = []
    for (const key of ['N', 'N', 'P', 'n', 'p', 'Escape', 'n']) {
      await page.press(key)
      chosen.push((await seen(page)).selected)
    }
    expect(chosen).toEqual(['6', '8', '6', '7', '6', '', '0'])
    await page.evaluate('document.getElementById("event-list").focus()')
    await page.press('ArrowDown')
    expect((await seen(page)).selected).toBe('1')
    expect(await text(page, '[aria-selected="true"]')).toContain('write bar0+0x98')
  })

  it('search for words, and for the byte at an address', async () => {
    const page = await reports.show(staleRead())
    await page.press('/')
    for (const key of 'link') await page.press(key)
    expect(await text(page, '#events h2')).toBe('1 of 12 events')
    expect((await seen(page)).lanes).toBe('0')
    for (const [words, found] of [
      // Its map, the device's write, the read, and its unmap.
      ['0xfff07f', 4],
      ['0xfff080', 0],
    ] as const) {
      await page.evaluate(
        `Object.assign(document.getElementById('search'), { value: '${words}' }).dispatchEvent(new Event('input'))`,
      )
      await page.settle()
      expect(await count(page, '#events [role="option"]')).toBe(found)
    }
  })

  it('leave out kinds', async () => {
    const page = await reports.show(staleRead())
    await page.click('#toolbar [aria-pressed]:nth-of-type(3)')
    expect(await text(page, '#events h2')).toBe('10 of 12 events')
    expect(await count(page, '.label.registers')).toBe(0)
  })

  it('have names for those who hear the page', async () => {
    const page = await reports.show(staleRead())
    const nameless = await page.evaluate<
      string[]
    >(`[...document.querySelectorAll('button, input, select, [tabindex]')]
      .filter((one) => !(one.getAttribute('aria-label') || one.innerText.trim()))
      .map((one) => one.outerHTML)`)
    expect(nameless).toEqual([])
  })
})

describe.skipIf(whyNot)('traces of all kinds', { timeout: 60_000 }, () => {
  it('10,000 events make no more elements than are seen', async () => {
    const page = await reports.show(longTrace(10_000))
    expect(await text(page, '#events h2')).toBe('10000 events')
    expect((await seen(page)).lanes).toBe('500')
    expect(await count(page, '*')).toBeLessThan(400)
    await page.evaluate('document.querySelector(".scroll").scrollTop = 1e9')
    await page.settle()
    expect(await text(page, '.label.mapping:last-child')).toContain('0x0 ')
    expect(page.errors).toEqual([])
    expect(await count(page, '*')).toBeLessThan(400)
  })

  it('one without problems says so, and no more than that it knows of none where something failed', async () => {
    const trace = sampleTrace([{ time: 0, kind: 'note', message: 'begin' }])
    const said = async (failure?: string) => {
      const page = await reports.show(trace, failure === undefined ? {} : { failure })
      const colour = 'getComputedStyle(document.querySelector("#problems p")).color'
      return [await text(page, '#problems'), await page.evaluate(colour)]
    }
    const [passed, green] = await said()
    const [failed, colour] = await said('it is not the packet')
    expect(passed).toBe('No misuse, fault or hazard is in this trace.')
    expect(failed).toMatch(/^Nothing in this trace is known to be wrong/)
    expect(colour).not.toBe(green)
  })

  it('one of a run that was disturbed says by what, at the top', async () => {
    const common = { kind: 'note', device: '0000:00:04.0' } as const
    const page = await reports.show(
      sampleTrace([
        { ...common, time: 1.25, message: 'disturbed: interrupt 0 is lost' },
        { ...common, time: 2, message: 'disturbed: DMA write of 64 bytes at 0x1000 is lost' },
        { ...common, time: 3, message: 'disturbed: DMA write of 32 bytes at 0x2000 is lost' },
      ]),
    )
    expect(await text(page, '#top .disturbed')).toBe(
      'Disturbed on purpose: interrupt 0 is lost (0000:00:04.0), once, at 1.25 ms; ' +
        'DMA write of 64 bytes at 0x1000 is lost (0000:00:04.0), 2 times, first at 2 ms',
    )
    expect(await count(await reports.show(staleRead()), '#top .disturbed')).toBe(0)
  })

  it('long lines have the room that a wide window has', async () => {
    const message = 'the quick brown fox jumps over the lazy dog'
    const page = await reports.show(sampleTrace([{ time: 0, kind: 'note', message }]))
    const cut =
      'const { scrollWidth, clientWidth } = document.querySelector("#events [role=option] span:last-child")'
    expect(await page.evaluate(`(() => { ${cut}; return scrollWidth > clientWidth })()`)).toBe(false)
  })

  it('an empty one says so', async () => {
    const page = await reports.show(sampleTrace([]))
    expect(await text(page, '#top')).toContain('The trace is empty')
    for (const key of ['n', 'N', '+', 'ArrowLeft', '0']) await page.press(key)
    expect(page.errors).toEqual([])
  })

  it('one that has let events go says so, and shows what is known of the mappings', async () => {
    const { events } = staleRead()
    const page = await reports.show({ ...staleRead(), events: events.slice(5), dropped: 5 })
    expect(await text(page, '#top')).toContain('5 older events were let go')
    expect(await text(page, '.label.mapping')).toContain('mapped before the trace begins')
    expect(page.errors).toEqual([])
  })

  it('one with a page in its words is no page', async () => {
    const message =
      '</script><script>window.broken = 1</script><img src=x onerror="window.broken = 1">\u2028<!--'
    const page = await reports.show(sampleTrace([{ time: 0, kind: 'note', message }]), {
      title: message,
      failure: message,
    })
    expect(await page.evaluate('window.broken ?? 0')).toBe(0)
    expect(await text(page, '#events')).toContain('</script><script>')
    expect(await text(page, 'h1')).toContain('<img src=x')
    expect(page.errors).toEqual([])
  })

  it('is a table where scripts are off', async () => {
    const page = await reports.show(staleRead(), {}, { scripts: false })
    expect(await text(page, 'noscript')).toContain('bytes 64..127 were read by the CPU')
    expect(await count(page, 'noscript tbody tr')).toBe(12)
  })

  it('is dark for those who like it dark', async () => {
    const ground = 'getComputedStyle(document.body).backgroundColor'
    const [light, dark] = [
      await reports.show(staleRead()),
      await reports.show(staleRead(), {}, { dark: true }),
    ]
    expect(await light.evaluate(ground)).not.toBe(await dark.evaluate(ground))
  })
})

/** 500 buffers, mapped and unmapped again and again. */
function longTrace(length: number): Trace {
  return sampleTrace(
    Array.from({ length }, (_, i) => {
      const mapping = Math.floor(i / 4) + 1
      const common = { time: i / 10, address: `0x${((mapping % 500) * 4096).toString(16)}`, byteLength: 2048 }
      switch (i % 4) {
        case 0:
          return { ...common, kind: 'map', mapping, direction: 'from-device', family: 'single' } as const
        case 1:
          return { ...common, kind: 'dma', access: 'write' } as const
        case 2:
          return { ...common, kind: 'sync', for: 'cpu', mapping } as const
        default:
          return { ...common, kind: 'unmap', mapping } as const
      }
    }),
  )
}
