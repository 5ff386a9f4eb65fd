import assert from 'node:assert/strict'
import type { DmaBuf } from '@linux-dma/udmabuf'
import type { DmaBufImporter } from './dma-buf-importer'
import type { Host } from './host'
import { withoutLeaks } from './with-device'

/** Has a device import a buffer for one test, then ends the import and closes the buffer; checks that nothing is left. */
export async function withImported(
  host: Host,
  make: () => DmaBuf,
  test: (buffer: DmaBuf, device: DmaBufImporter) => void | Promise<void>,
): Promise<void> {
  await withoutLeaks(host, async () => {
    using buffer = make()
    const device = host.importDmaBuf(buffer.fd)
    try {
      await test(buffer, device)
    } finally {
      device.detach()
    }
  })
}

/** Checks that none of `waits` is over before `event`, and that all are after it. */
export async function settledAfter(
  host: Host,
  waits: readonly Promise<void>[],
  event: () => void,
): Promise<void> {
  let settled = 0
  const all = waits.map((wait) =>
    wait.then(() => {
      settled++
    }),
  )
  await tick(host)
  assert.equal(settled, 0, 'nothing to wait for')
  event()
  await Promise.all(all)
}

/** Lets happen what is about to. */
export async function tick({ kernel }: Host): Promise<void> {
  for (let i = 0; i < 3; i++) await kernel.clock.sleep(5)
}
