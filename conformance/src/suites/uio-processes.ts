import assert from 'node:assert/strict'
import { openUio } from '@linux-dma/uio'
import { EDU_ID } from '../edu'
import type { Host, Runner } from '../host'
import { endings } from '../process-endings'
import { BUS_MASTER, commandOf, withUioBound } from '../with-uio'

/** A process that waits for an interrupt of a device that may use the bus, and then ends in the middle. */
const busyProcess = `
  import { Worker, isMainThread, parentPort } from 'node:worker_threads'
  import { linuxKernel } from '@linux-dma/core'
  import { openUio } from '@linux-dma/uio'
  async function use() {
    const device = openUio({ pci: 'EDU' }, { kernel: linuxKernel() })
    device.setMaster()
    device.bar(0).read32(0)
    for await (const interrupt of device.interrupts()) console.log(interrupt)
  }
`

/** Every thread of libuv's pool opens a pipe that nobody writes to, and so waits; then an interrupt comes. */
const starvedProcess = `
  import { execFileSync } from 'node:child_process'
  import { closeSync, mkdtempSync, open, openSync, rmSync } from 'node:fs'
  import { linuxKernel } from '@linux-dma/core'
  import { openUio } from '@linux-dma/uio'
  const folder = mkdtempSync('/tmp/starved-')
  const pipes = Array.from({ length: 2 * Number(process.env.UV_THREADPOOL_SIZE ?? 4) }, (_, i) => folder + '/' + i)
  for (const pipe of pipes) execFileSync('mkfifo', [pipe])
  let opened = 0
  for (const pipe of pipes) open(pipe, 'r', (error, fd) => { opened++; closeSync(fd) })
  const device = openUio({ pci: 'EDU' }, { kernel: linuxKernel() })
  const registers = device.bar(0)
  const interrupts = device.interrupts()
  for (let round = 0; round < 10; round++) {
    registers.write32(0x60, 1)
    const { count } = await interrupts.wait({ timeoutMilliseconds: 20000 })
    registers.write32(0x64, registers.read32(0x24))
    if (count !== 1) throw new Error(count + ' came')
  }
  device.close()
  console.log('opened ' + opened)
  for (const pipe of pipes) closeSync(openSync(pipe, 'w'))
  rmSync(folder, { recursive: true })
`

/** What becomes of a UIO device when its process ends, and what its interrupts need of one. */
export function uioProcesses({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, edu, runProcess } = host

  describe('uio processes', () => {
    if (!runProcess) {
      const titles = Object.keys(endings).map((name) => `ends cleanly by ${name}`)
      for (const title of titles) skip(title, 'the fake machine has no processes that could end')
      skip('gets interrupts while every thread of the pool waits', 'the fake machine has no threads')
      return
    }

    for (const [name, { source, outcome }] of Object.entries(endings)) {
      it(`ends cleanly by ${name}`, () =>
        withUioBound(host, edu, async () => {
          const { status, signal, output } = await runProcess(busyProcess.replace('EDU', edu) + source)
          assert.deepEqual([status, signal], outcome, output)
          assert.equal(commandOf(host) & BUS_MASTER, 0)
          using device = openUio({ pci: edu }, { kernel })
          assert.equal(device.bar(0).read32(EDU_ID), 0x0100_00ed)
        }))
    }

    it('gets interrupts while every thread of the pool waits', () =>
      withUioBound(host, edu, async () => {
        const { status, output } = await runProcess(starvedProcess.replace('EDU', edu))
        assert.deepEqual([status, output.trim()], [0, 'opened 0'])
      }))
  })
}
