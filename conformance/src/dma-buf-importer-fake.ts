import type { FakeFence, FakeMachine } from '@linux-dma/testkit'
import type { DmaBufImporter } from './dma-buf-importer'

const ECANCELED = 125

/** What the lab's device without hardware does, on a fake machine. */
export function fakeDmaBufImporter(machine: FakeMachine, fd: number): DmaBufImporter {
  const device = machine.importDmaBuf(fd)
  const works = new Set<FakeFence>()
  return {
    size: device.bytes.length,
    segments: device.segments,
    read: (byteOffset, byteLength) => device.bytes.slice(byteOffset, byteOffset + byteLength),
    write: (byteOffset, bytes) => device.bytes.set(bytes, byteOffset),
    addFence(usage) {
      const work = device.addFence(usage)
      works.add(work)
      return {
        signal(errno) {
          works.delete(work)
          work.signal(errno)
        },
      }
    },
    detach() {
      for (const work of works) work.signal(ECANCELED)
      works.clear()
      device.detach()
    },
  }
}
