// Opens reports in a real browser. With REPORT_SCREENSHOT=FILE it leaves a picture of one there: docs/report.png is made so.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventfulRun } from '../fixtures/eventful-run'
import { staleRead } from '../fixtures/sample-trace'
import { count, type Seen, ShownReports, seen, text, whyNoBrowser } from '../fixtures/shown-reports'
import type { Trace } from '../trace/trace-event'
import { layOut } from './model/axis'

const whyNot = whyNoBrowser()
const width = ({ from, to }: Seen) => Number(to) - Number(from)
let reports: ShownReports
let run: { trace: Trace; failure: string }

beforeAll(async () => {
  if (whyNot) return
  reports = new ShownReports()
  const { machine, failure } = await eventfulRun()
  // Wherever the repository lies, the picture is the same.
  const all = JSON.stringify({ trace: machine.trace, failure })
  run = JSON.parse(all.replaceAll(fileURLToPath(new URL('../../../../', import.meta.url)), ''))
}, 60_000)

afterAll(() => reports?.close(), 60_000)

describe.skipIf(whyNot)('a report in a browser', { timeout: 60_000 }, () => {
  it('asks nothing of any network, and complains of nothing', async () => {
    const page = await reports.show(run.trace, { failure: run.failure })
    const elsewhere = page.requests.filter((url) => !/^(file:\/\/.*\.html|data:,)$/.test(url))
    expect([elsewhere, page.errors]).toEqual([[], []])
    expect(await text(page, '#failure')).toBe(run.failure)
  })

  it('has a lane for each range that was mapped, and rows for what else each device did', async () => {
    const page = await reports.show(run.trace)
    const maps = run.trace.events.filter((event) => event.kind === 'map')
    const ranges = new Set(
      maps.map(({ device, address, byteLength }) => `${device} ${address} ${byteLength}`),
    )
    expect(Number((await seen(page)).lanes)).toBe(ranges.size)
    expect(await count(page, '.label.mapping')).toBe(ranges.size)
    for (const address of new Set(maps.map((event) => event.address))) {
      expect(await text(page, '.labels')).toContain(address)
    }
    expect([await count(page, '.label.device'), await count(page, '.label.registers')]).toEqual([2, 2])
  })

  it('colours the bytes by who owns them', async () => {
    const page = await reports.show(staleRead())
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
    const page = await reports.show(run.trace, {
      failure: run.failure,
      title: 'An edu driver that forgets a sync, and a disturbed network card',
    })
    await page.click('#problems button')
    const picture = await page.screenshot()
    if (process.env.REPORT_SCREENSHOT) writeFileSync(process.env.REPORT_SCREENSHOT, picture)
    const viewer = await reports.browser.newPage(100, 100)
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

describe.skipIf(whyNot)('what is seen', { timeout: 60_000 }, () => {
  it('is nearer or farther by buttons, keys and the wheel, and all of it again', async () => {
    const page = await reports.show(run.trace)
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
    const page = await reports.show(run.trace)
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

  it('is nearer where two fingers part', async () => {
    const page = await reports.show(run.trace)
    const before = width(await seen(page))
    const { x, y } = await page.middleOf('#lanes')
    const fingers = [40, 80, 160].map((apart) => [
      { x: x - apart, y },
      { x: x + apart, y },
    ])
    await page.touch(...fingers)
    expect(width(await seen(page))).toBeLessThan(before / 2)
  })

  it('says what it is under the pointer, and is looked at by a click', async () => {
    const page = await reports.show(staleRead())
    const { from, to } = await seen(page)
    const position = layOut(staleRead().events, 'step').positions[2]!
    const { x } = await page.middleOf('#lanes')
    const left = await page.evaluate<number>('document.getElementById("lanes").getBoundingClientRect().left')
    const at = left + ((position - Number(from)) / (Number(to) - Number(from))) * (x - left) * 2 + 4
    const lane = await page.middleOf('.label.mapping')
    await page.hover(at, lane.y)
    expect(await text(page, '#tip')).toContain('device writes 128 bytes at 0xfff000')
    await page.drag([{ x: at, y: lane.y }])
    expect((await seen(page)).selected).toBe('2')
    await page.hover(20, 20)
    expect(await count(page, '#tip:not([hidden])')).toBe(0)
  })

  it('is what one spans in the overview', async () => {
    const page = await reports.show(run.trace)
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
    const page = await reports.show(run.trace)
    await page.click('#axis')
    const last = run.trace.events.at(-1)!.time
    expect(Number((await seen(page)).to)).toBeGreaterThan(last)
    expect(await text(page, '#axis')).toBe('axis: by time')
  })
})

describe.skipIf(whyNot)('problems', { timeout: 60_000 }, () => {
  it('are listed, and lead to their place', async () => {
    const page = await reports.show(staleRead())
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
    const page = await reports.show(run.trace)
    const problems = await text(page, '#problems')
    expect(problems).toMatch(/stale: bytes 64\.\.127 were written by 0000:00:04\.0, at 0x[0-9a-f]+40/)
    expect(problems).toContain('the IOMMU refused a write of 128 bytes at 0x900000')
    expect(problems).toMatch(/the device wrote 16 bytes right behind mapping \d/)
  })
})
