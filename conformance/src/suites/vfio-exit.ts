import assert from 'node:assert/strict'
import { openVfioDevice } from '@linux-dma/vfio'
import type { Host, Runner } from '../host'
import { endings } from '../process-endings'
import { withoutLeaks } from '../with-device'

/** A process that uses everything and then ends in the middle. `END` is replaced by how. */
const busyProcess = `
  import { Worker, isMainThread, parentPort } from 'node:worker_threads'
  import { createDmaRegion, DmaDirection, dmaMapSingle, linuxKernel } from '@linux-dma/core'
  import { openVfioDevice } from '@linux-dma/vfio'
  async function use() {
    const device = openVfioDevice('EDU', { kernel: linuxKernel() })
    device.setMaster()
    const region = createDmaRegion(device, { byteLength: 1 << 20 })
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 4096), DmaDirection.ToDevice)
    const registers = device.bar(0)
    const waiting = device.interrupts().next()
    registers.writeAddress(0x80, mapping.dmaAddress)
    registers.write32(0x88, 0x40000)
    registers.write32(0x90, 4095)
    registers.write32(0x98, 5)
    return waiting
  }
`

/** Ending in the middle of everything: no crash, and the device is free for the next. */
export function vfioExit({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, edu, runProcess } = host

  describe('vfio exit in the middle', () => {
    for (const [name, { source, outcome }] of Object.entries(endings)) {
      const title = `ends cleanly by ${name}`
      if (!runProcess) {
        skip(title, 'the fake machine has no processes that could end')
        continue
      }
      it(title, () =>
        withoutLeaks(host, async () => {
          const { status, signal, output } = await runProcess(busyProcess.replace('EDU', edu) + source)
          assert.deepEqual([status, signal], outcome, output)
          using device = openVfioDevice(edu, { kernel })
          assert.equal(device.busMaster, false)
        }),
      )
    }
  })
}
