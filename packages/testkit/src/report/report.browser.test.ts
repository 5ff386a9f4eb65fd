// Opens reports in a real browser. With REPORT_SCREENSHOT=FILE it leaves a picture of one there: docs/report.png is made so.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Browser, findBrowser } from '../fixtures/browser'
import type { BrowserPage } from '../fixtures/browser-page'
import { eventfulRun } from '../fixtures/eventful-run'
import { sampleTrace, staleRead } from '../fixtures/sample-trace'
import type { Trace } from '../trace/trace-event'
import { type ReportOptions, writeReport } from './write-report'

const program = findBrowser()
const required = process.env.LINUX_DMA_REQUIRE_BROWSER === '1'
if (!program) console.warn('no report is opened: there is no chromium here (apt-get install chromium)')

/** What the page says of itself. */
interface Seen {
  readonly from: string
  readonly to: string
  readonly lanes: string
  readonly selected: string
}

let browser: Browser
let folder: string
let run: { trace: Trace; failure: string }

beforeAll(async () => {
  if (!program) return
  folder = mkdtempSync(path.join(tmpdir(), 'linux-dma-report-'))
  browser = new Browser(program)
  const { machine, failure } = await eventfulRun()
  // Wherever the repository lies, the picture is the same.
  const all = JSON.stringify({ trace: machine.trace, failure })
  run = JSON.parse(all.replaceAll(fileURLToPath(new URL('../../../../', import.meta.url)), ''))
})

afterAll(async () => {
  if (!program) return
  await browser.close()
  rmSync(folder, { recursive: true })
})

let count = 0
async function show(trace: Trace, options: ReportOptions = {}, prefer = {}): Promise<BrowserPage> {
  const file = path.join(folder, `report-${++count}.html`)
  writeFileSync(file, writeReport(trace, options))
  const page = await browser.newPage(1400, 900)
  await page.prefer(prefer)
  await page.open(pathToFileURL(file).href)
  return page
}

const seen = (page: BrowserPage) =>
  page.evaluate<Seen>('({ ...document.getElementById("timeline").dataset })')
const text = (page: BrowserPage, selector: string) =>
  page.evaluate<string>(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`)
const number = (page: BrowserPage, selector: string) =>
  page.evaluate<number>(`document.querySelectorAll(${JSON.stringify(selector)}).length`)
const width = ({ from, to }: Seen) => Number(to) - Number(from)

it.runIf(required)('has a browser to be opened in', () => {
  expect(program).toBeDefined()
})

describe.skipIf(!program)('a report in a browser', { timeout: 60_000 }, () => {
  it('asks nothing of any network, and complains of nothing', async () => {
    const page = await show(run.trace, { failure: run.failure })
    const elsewhere = page.requests.filter((url) => !/^(file:\/\/.*\.html|data:,)$/.test(url))
    expect([elsewhere, page.errors]).toEqual([[], []])
    expect(await text(page, '#failure')).toBe(run.failure)
  })

  it('has a lane for each range that was mapped, and rows for what else each device did', async () => {
    const page = await show(run.trace)
    const maps = run.trace.events.filter((event) => event.kind === 'map')
    const ranges = new Set(
      maps.map(({ device, address, byteLength }) => `${device} ${address} ${byteLength}`),
    )
    expect(Number((await seen(page)).lanes)).toBe(ranges.size)
    expect(await number(page, '.label.mapping')).toBe(ranges.size)
    for (const address of new Set(maps.map((event) => event.address))) {
      expect(await text(page, '.labels')).toContain(address)
    }
    expect([await number(page, '.label.device'), await number(page, '.label.registers')]).toEqual([2, 2])
  })

  it('colours the bytes by who owns them', async () => {
    const page = await show(staleRead())
    // Of 128 bytes the CPU has been given the first 64: the upper half of the lane.
    const cpuPixels = (share: number) =>
      page.evaluate<number>(`(() => {
        const canvas = document.getElementById('lanes')
        const label = document.querySelector('.label.mapping').getBoundingClientRect()
        const y = label.top + (label.height - 20) * ${share} - canvas.getBoundingClientRect().top
        const style = getComputedStyle(document.documentElement).getPropertyValue('--cpu').trim()
        const cpu = [1, 3, 5].map((at) => parseInt(style.slice(at, at + 2), 16)).join()
        const { data } = canvas.getContext('2d').getImageData(0, y, canvas.width, 1)
        let found = 0
        for (let at = 0; at < data.length; at += 4) if (data.slice(at, at + 3).join() === cpu) found++
        return found
      })()`)
    expect(await cpuPixels(0.4)).toBeGreaterThan(50)
    expect(await cpuPixels(0.6)).toBe(0)
  })

  it('is more than one colour', async () => {
    const page = await show(run.trace, {
      failure: run.failure,
      title: 'An edu driver that forgets a sync, and a disturbed network card',
    })
    await page.click('#problems button')
    const picture = await page.screenshot()
    if (process.env.REPORT_SCREENSHOT) writeFileSync(process.env.REPORT_SCREENSHOT, picture)
    const viewer = await browser.newPage(100, 100)
    const colours = await viewer.evaluate<number>(`(async () => {
      const picture = new Image()
      picture.src = 'data:image/png;base64,${picture.toString('base64')}'
      await picture.decode()
      const canvas = Object.assign(document.createElement('canvas'), { width: 1400, height: 900 })
      const context = canvas.getContext('2d')
      context.drawImage(picture, 0, 0)
      return new Set(new Uint32Array(context.getImageData(0, 0, 1400, 900).data.buffer)).size
    })()`)
    expect(colours).toBeGreaterThan(50)
  })
})

describe.skipIf(!program)('what is seen', { timeout: 60_000 }, () => {
  it('is nearer or farther by buttons, keys and the wheel, and all of it again', async () => {
    const page = await show(run.trace)
    const all = width(await seen(page))
    const lanes = await page.middleOf('#lanes')
    const widths = []
    for (const nearer of [
      () => page.click('#zoom-in'),
      () => page.press('+'),
      () => page.wheel(lanes.x, lanes.y, -300),
    ]) {
      await nearer()
      widths.push(width(await seen(page)))
    }
    expect([all, ...widths]).toEqual([all, ...widths].sort((a, b) => b - a))
    expect(new Set([all, ...widths]).size).toBe(4)
    await page.click('#zoom-out')
    expect(width(await seen(page))).toBeGreaterThan(widths[2]!)
    await page.press('0')
    expect(width(await seen(page))).toBe(all)
  })

  it('moves by dragging and by arrows, no further than there is something', async () => {
    const page = await show(run.trace)
    for (let i = 0; i < 3; i++) await page.click('#zoom-in')
    const before = await seen(page)
    const { x, y } = await page.middleOf('#lanes')
    await page.drag([
      { x, y },
      { x: x - 60, y },
      { x: x - 120, y },
    ])
    const after = await seen(page)
    expect(Number(after.from)).toBeGreaterThan(Number(before.from))
    expect(width(after)).toBeCloseTo(width(before))
    for (let i = 0; i < 50; i++) await page.press('ArrowLeft')
    const first = await seen(page)
    await page.press('ArrowLeft')
    expect(await seen(page)).toEqual(first)
    expect(first.selected).toBe('')
  })

  it('is what one spans in the overview', async () => {
    const page = await show(run.trace)
    const { x, y } = await page.middleOf('#overview')
    const before = width(await seen(page))
    await page.drag([
      { x: x - 50, y },
      { x, y },
      { x: x + 50, y },
    ])
    expect(width(await seen(page))).toBeLessThan(before / 3)
  })

  it('is laid out by time, if one wants that', async () => {
    const page = await show(run.trace)
    await page.click('#axis')
    const last = run.trace.events.at(-1)!.time
    expect(Number((await seen(page)).to)).toBeGreaterThan(last)
    expect(await text(page, '#axis')).toBe('axis: by time')
  })
})

describe.skipIf(!program)('problems', { timeout: 60_000 }, () => {
  it('are listed, and lead to their place', async () => {
    const page = await show(staleRead())
    const problems = await text(page, '#problems')
    expect(problems).toContain('bytes 64..127 were read by the CPU while the device owned them')
    expect(problems).toContain('the IOMMU refused a write of 16 bytes at 0x40000000')
    expect(problems).toContain('the device wrote bytes 16..31 of mapping 1 after its unmap')
    await page.click('#problems .misuse')
    expect((await seen(page)).selected).toBe('6')
    const details = await text(page, '#details')
    expect(details).toContain('check (driver.ts:20:5)')
    expect(details).toContain('Mapping 1: bytes 64..127 of 128')
    expect(details).toContain('Mapped receive (driver.ts:12:3)')
    await page.click('#problems .fault')
    expect((await seen(page)).selected).toBe('8')
  })

  it('come from a real driver and a disturbed device', async () => {
    const page = await show(run.trace)
    const problems = await text(page, '#problems')
    expect(problems).toMatch(/stale: bytes 64\.\.127 were written by 0000:00:04\.0, at 0x[0-9a-f]+40/)
    expect(problems).toContain('the IOMMU refused a write of 128 bytes at 0x900000')
    expect(problems).toMatch(/the device wrote 16 bytes right behind mapping \d/)
  })
})

describe.skipIf(!program)('keys and filters', { timeout: 60_000 }, () => {
  it('go through events and problems', async () => {
    const page = await show(staleRead())
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
    const page = await show(staleRead())
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
      expect(await number(page, '#events [role="option"]')).toBe(found)
    }
  })

  it('leave out kinds', async () => {
    const page = await show(staleRead())
    await page.click('#toolbar [aria-pressed]:nth-of-type(3)')
    expect(await text(page, '#events h2')).toBe('10 of 12 events')
    expect(await number(page, '.label.registers')).toBe(0)
  })

  it('have names for those who hear the page', async () => {
    const page = await show(run.trace)
    const nameless = await page.evaluate<
      string[]
    >(`[...document.querySelectorAll('button, input, select, [tabindex]')]
      .filter((one) => !(one.getAttribute('aria-label') || one.innerText.trim()))
      .map((one) => one.outerHTML)`)
    expect(nameless).toEqual([])
  })
})

describe.skipIf(!program)('traces of all kinds', { timeout: 60_000 }, () => {
  it('10,000 events make no more elements than are seen', async () => {
    const page = await show(longTrace(10_000))
    expect(await text(page, '#events h2')).toBe('10000 events')
    expect((await seen(page)).lanes).toBe('500')
    expect(await number(page, '*')).toBeLessThan(400)
    await page.evaluate('document.querySelector(".scroll").scrollTop = 1e9')
    await page.settle()
    expect(await text(page, '.label.mapping:last-child')).toContain('0x0 ')
    expect(page.errors).toEqual([])
    expect(await number(page, '*')).toBeLessThan(400)
  })

  it('an empty one says so', async () => {
    const page = await show(sampleTrace([]))
    expect(await text(page, '#top')).toContain('The trace is empty')
    for (const key of ['n', 'N', '+', 'ArrowLeft', '0']) await page.press(key)
    expect(page.errors).toEqual([])
  })

  it('one that has let events go says so, and shows what is known of the mappings', async () => {
    const { events } = staleRead()
    const page = await show({ ...staleRead(), events: events.slice(5), dropped: 5 })
    expect(await text(page, '#top')).toContain('5 older events were let go')
    expect(await text(page, '.label.mapping')).toContain('mapped before the trace begins')
    expect(page.errors).toEqual([])
  })

  it('one with a page in its words is no page', async () => {
    const message =
      '</script><script>window.broken = 1</script><img src=x onerror="window.broken = 1">\u2028<!--'
    const page = await show(sampleTrace([{ time: 0, kind: 'note', message }]), {
      title: message,
      failure: message,
    })
    expect(await page.evaluate('window.broken ?? 0')).toBe(0)
    expect(await text(page, '#events')).toContain('</script><script>')
    expect(await text(page, 'h1')).toContain('<img src=x')
    expect(page.errors).toEqual([])
  })

  it('is a table where scripts are off', async () => {
    const page = await show(staleRead(), {}, { scripts: false })
    expect(await text(page, 'noscript')).toContain('bytes 64..127 were read by the CPU')
    expect(await number(page, 'noscript tbody tr')).toBe(12)
  })

  it('is dark for those who like it dark', async () => {
    const ground = 'getComputedStyle(document.body).backgroundColor'
    const [light, dark] = [await show(staleRead()), await show(staleRead(), {}, { dark: true })]
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
