/// <reference path="./report-page.d.ts" />
import { stripVTControlCharacters } from 'node:util'
import { script, scriptHash, style, styleHash } from 'report-page'
import { checkOptionNames } from '../arguments'
import type { Trace } from '../trace/trace-event'
import { checkTrace, checkWords } from './check-trace'
import { embedJson, escapeHtml } from './embed'
import { readTimeline } from './model/timeline'
import { plainTables } from './plain-tables'

/** How a report is made. */
export interface ReportOptions {
  /** Heading of the page; by default what machine the trace is of. */
  readonly title?: string
  /** What failed, such as a test's name and error: shown at the top, line by line as it is. */
  readonly failure?: string
}

/**
 * A trace as a web page: a timeline of who owned which bytes when, with register traffic, transfers, interrupts, faults and misuses in
 * their places. It is one file of HTML that needs no other and asks nothing of any network; without scripts it is a table of events.
 * @param trace `machine.trace`, or what a recorded kernel has noted, or such a thing read from a file
 * @returns the text of the page: write it wherever reports go
 * @throws DMA_INVALID_ARGUMENT where that is no trace, or an option is misspelled
 * @example
 * writeFileSync('report.html', writeReport(machine.trace))
 */
export function writeReport(trace: Trace | { toJSON(): Trace }, options: ReportOptions = {}): string {
  checkOptionNames(options, ['title', 'failure'], 'writeReport()')
  checkWords(options.title, 'title')
  checkWords(options.failure, 'failure')
  const live = Object(trace) as { toJSON?: () => Trace }
  const data = checkTrace(live.toJSON ? live.toJSON() : (trace as Trace))
  const title = options.title ?? `What ${data.machine} did`
  // The page's own script and style are named by their hashes, so that nothing in a trace can be one.
  const policy = `default-src 'none'; script-src ${scriptHash}; style-src ${styleHash}; img-src data:; base-uri 'none'; form-action 'none'`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<header id="top"><h1>${escapeHtml(title)}</h1></header>
${failureBox(options.failure)}
<noscript>
${plainTables(readTimeline(data), options.failure !== undefined)}
</noscript>
<script type="application/json" id="trace">${embedJson(data)}</script>
<script>${script}</script>
</body>
</html>
`
}

function failureBox(failure: string | undefined): string {
  if (failure === undefined) return ''
  // Test runners colour their messages for terminals.
  const words = escapeHtml(stripVTControlCharacters(failure))
  return `<section id="failure" aria-label="What failed"><pre>${words}</pre></section>`
}
