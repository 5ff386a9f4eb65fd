import { type Kernel, O_RDONLY, O_RDWR } from '@linux-dma/native'
import type { DmaBufImporter } from '../../dma-buf-importer'
import type { Host } from '../../host'
import { heapPath } from '../../raw-dma-buf'
import { Handles } from '../handles'
import { MemoryWorld } from './memfd-world'

/** A little-endian structure of so many bytes. */
export interface Structure {
  readonly view: DataView
  readonly bytes: Uint8Array
}

export function structure(byteLength: number): Structure {
  const view = new DataView(new ArrayBuffer(byteLength))
  return { view, bytes: new Uint8Array(view.buffer) }
}

/** Limits of the module, and what they are to begin with. */
const limits = { list_limit: '1024', size_limit_mb: '64' }
export type Limit = keyof typeof limits

const parameter = (name: Limit) => `/sys/module/udmabuf/parameters/${name}`

/** What a program of dma-bufs has opened, beside what it has of memory. */
export class DmaBufWorld extends MemoryWorld {
  readonly importers = new Handles<DmaBufImporter>()
  readonly udmabuf: number
  readonly heap: number
  readonly #bell: number

  constructor(readonly host: Host) {
    super(host.kernel)
    const { kernel } = host
    for (const [name, value] of Object.entries(limits)) kernel.writeText(parameter(name as Limit), value)
    this.udmabuf = kernel.open('/dev/udmabuf', O_RDWR)
    this.heap = kernel.open(heapPath('system'), O_RDONLY)
    this.#bell = kernel.eventfd()
  }

  setLimit(name: Limit, value: number): void {
    this.kernel.writeText(parameter(name), String(value))
  }

  /**
   * Makes a system call. A buffer of several pieces is a copy on a fake machine, made equal to its pieces at each: what is
   * seen between two writes with no system call after them is a difference that is known, and told in the README.
   */
  settle(): void {
    this.kernel.write(this.#bell, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0))
  }

  override close(): void {
    for (const importer of this.importers.open()) importer.detach()
    super.close()
    for (const [name, value] of Object.entries(limits)) this.kernel.writeText(parameter(name as Limit), value)
    for (const fd of [this.udmabuf, this.heap, this.#bell]) this.kernel.close(fd)
  }
}

/** What poll(2) says at once; that it would wait, where it does not within a moment. */
export async function pollNow(kernel: Kernel, fd: number, events: number): Promise<number | string> {
  const patience = new AbortController()
  const answer = kernel.poll(fd, events, { signal: patience.signal })
  const waited = kernel.clock.sleep(20, { signal: patience.signal }).then(() => 'waits' as const)
  try {
    return await Promise.race([answer, waited])
  } finally {
    patience.abort()
    await Promise.allSettled([answer, waited])
  }
}
