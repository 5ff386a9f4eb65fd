import type { FrameAllocator } from '../memory/frames'
import type { FakeProcess } from '../process'
import type { FileSystem } from './file-system'
import { directory, symbolicLink, textFile } from './nodes'

/** Puts files of `/proc` in place that are made from what the process and the machine are at that moment. */
export function mountProc(
  fs: FileSystem,
  process: FakeProcess,
  frames: FrameAllocator,
  kernelRelease: () => string,
): void {
  fs.put('/proc/self', symbolicLink(`${process.pid}`))
  fs.put(`/proc/${process.pid}`, directory())
  fs.put(
    '/proc/self/status',
    textFile(() => statusText(process)),
  )
  fs.put(
    '/proc/self/limits',
    textFile(() => limitsText(process)),
  )
  fs.put(
    '/proc/sys/kernel/osrelease',
    textFile(() => `${kernelRelease()}\n`),
  )
  fs.put(
    '/proc/sys/kernel/arch',
    textFile(() => 'x86_64\n'),
  )
  fs.put(
    '/proc/zoneinfo',
    textFile(() => zoneText(frames)),
  )
}

function statusText(process: FakeProcess): string {
  const ids = (id: number) => `${id}\t${id}\t${id}\t${id}`
  const kibibytes = (pages: number) => `${String(pages * 4).padStart(8)} kB`
  const mask = process.capabilityMask().toString(16).padStart(16, '0')
  const fields = [
    ['Name', 'node'],
    ['Tgid', `${process.pid}`],
    ['Pid', `${process.pid}`],
    ['Uid', ids(process.uid)],
    ['Gid', ids(process.gid)],
    ['VmLck', kibibytes(process.lockedPages)],
    ['VmPin', kibibytes(process.pinnedPages)],
    ['CapPrm', mask],
    ['CapEff', mask],
  ]
  return fields.map(([name, value]) => `${name}:\t${value}\n`).join('')
}

/** Two zones: the memory below 4 GiB, and all that the machine has given out above so far, with some more. */
function zoneText({ lowMemory, lowestFrame, endFrame }: FrameAllocator): string {
  const zone = (name: string, start: number, end: number) => {
    const spanned = `${end - start}`
    return `Node 0, zone ${name.padStart(8)}\n        spanned  ${spanned}\n        present  ${spanned}\n        managed  ${spanned}\n  start_pfn:           ${start}\n`
  }
  return zone('DMA32', lowMemory.lowestFrame, lowMemory.endFrame) + zone('Normal', lowestFrame, endFrame)
}

function limitsText(process: FakeProcess): string {
  const row = (name: string, soft: string, hard: string, unit: string) =>
    `${name.padEnd(25)} ${soft.padEnd(20)} ${hard.padEnd(20)} ${unit.padEnd(10)}\n`
  const limit = (value: number) => (Number.isFinite(value) ? String(value) : 'unlimited')
  const files = limit(process.openFileLimit)
  const memory = limit(process.memlockLimit)
  return (
    row('Limit', 'Soft Limit', 'Hard Limit', 'Units') +
    row('Max open files', files, files, 'files') +
    row('Max locked memory', memory, memory, 'bytes')
  )
}
