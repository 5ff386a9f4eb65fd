import { isDmaError, type MemoryMapping, O_RDWR } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { rawDmaBuf } from '../fixtures/raw-dma-buf'
import { createFakeMachine } from '../machine'
import { createRandom } from '../prng'

const page = 4096

/*
 * Whatever is done with buffers, sync files, heaps and importing devices, in whatever order: each call succeeds or fails as
 * the kernel would, and nothing is left when all is closed.
 */
it('leaves nothing, whatever is called with whatever', () => {
  const succeeded = new Map<string, number>()
  for (let seed = 1; seed <= 150; seed++) run(seed, succeeded)
  // Each kind of call came to something, so that the test says something about it.
  for (const [name, count] of succeeded) expect([name, count > 10]).toEqual([name, true])
  expect(succeeded.size).toBe(15)
})

function run(seed: number, succeeded: Map<string, number>): void {
  const random = createRandom(seed)
  const machine = createFakeMachine({ openFileLimit: 24, memory: 64 * page })
  const { kernel } = machine
  const raw = rawDmaBuf(kernel)
  const mappings: MemoryMapping[] = []
  const importers: ReturnType<typeof machine.importDmaBuf>[] = []
  const syncFiles: number[] = [0]
  const any = () => 3 + random.integer(21)
  /** One that was a sync file once. */
  const anySyncFile = () => syncFiles[random.integer(syncFiles.length)]!
  const pages = () => page * random.integer(5)
  const flags = () => random.integer(5)
  kernel.open('/dev/udmabuf', O_RDWR)
  kernel.open('/dev/dma_heap/system', O_RDWR)
  const calls: Record<string, () => unknown> = {
    memfd: () => kernel.memfd('any', { byteLength: 4 * page }),
    create: () => raw.create(3, [any(), pages(), pages()]),
    createList: () =>
      raw.createList(
        3,
        Array.from({ length: 1 + random.integer(3) }, () => [any(), pages(), page] as const),
      ),
    allocate: () => raw.allocate(4, { len: BigInt(random.integer(10) * page) }),
    sync: () => raw.sync(any(), flags()),
    setName: () => raw.setName(any(), 'n'.repeat(random.integer(40))),
    exportSyncFile: () => syncFiles.unshift(raw.exportSyncFile(any(), flags())),
    importSyncFile: () => raw.importSyncFile(any(), flags(), anySyncFile()),
    merge: () => raw.mergeSyncFiles(anySyncFile(), anySyncFile(), ''),
    map: () => mappings.push(kernel.mmap(any(), { byteLength: page, position: pages() })),
    write: () => {
      mappings.at(-1)?.bytes.fill(seed)
      return kernel.readText('/proc/meminfo')
    },
    attach: () => {
      const importer = machine.importDmaBuf(any())
      importers.push(importer)
      importer.bytes[0] = seed
      const fence = importer.addFence(random.integer(2) === 0 ? 'read' : 'write')
      machine.clock.schedule(random.integer(50), () => fence.signal(random.integer(2)))
    },
    unmap: () => mappings.pop()?.close(),
    detach: () => importers.shift()?.detach(),
    close: () => kernel.close(5 + random.integer(19)),
  }
  const names = Object.keys(calls)
  for (let step = 0; step < 150; step++) {
    const name = names[random.integer(names.length)]!
    try {
      calls[name]!()
      succeeded.set(name, (succeeded.get(name) ?? 0) + 1)
    } catch (error) {
      const beyond = isDmaError(error, 'DMA_BEYOND_END')
      if (!beyond && !(isDmaError(error) && error.errno! < 0)) throw error
    }
  }
  for (const mapping of mappings) mapping.close()
  for (const importer of importers) importer.detach()
  for (const fd of kernel.list('/proc/self/fd')) kernel.close(Number(fd))
  machine.assertQuiescent()
  expect(kernel.readText('/proc/meminfo')).toContain('MemAvailable:        256 kB')
}
