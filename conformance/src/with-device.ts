import assert from 'node:assert/strict'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import type { Host } from './host'

/** Opens the edu device for one test, closes it, and checks that nothing is left of either. */
export async function withDevice(
  host: Host,
  test: (device: VfioDevice) => void | Promise<void>,
): Promise<void> {
  await withoutLeaks(host, async () => {
    using device = openVfioDevice(host.edu, { kernel: host.kernel })
    await test(device)
  })
}

/** Runs a test and checks that it left no descriptor, no mapping, no watch and no locked page. */
export async function withoutLeaks(host: Host, test: () => void | Promise<void>): Promise<void> {
  const before = { ...host.kernel.live(), locked: lockedKilobytes(host) }
  await test()
  assert.deepEqual({ ...host.kernel.live(), locked: lockedKilobytes(host) }, before)
}

function lockedKilobytes(host: Host): number {
  return Number(/^VmLck:\s+(\d+) kB/m.exec(host.kernel.readText('/proc/self/status'))?.[1])
}

/** The error that `action` throws: of this code, and with a hint where `hint` is given. */
export function refusal(action: () => unknown, code: string, hint?: RegExp): Error & { hint?: string } {
  let wentThrough: unknown
  try {
    wentThrough = action()
  } catch (error) {
    const refused = error as Error & { code?: string; hint?: string }
    assert.equal(refused.code, code, refused.stack)
    if (hint) assert.match(refused.hint ?? '', hint)
    return refused
  }
  // What was opened against expectation must not stand in the way of the next test.
  ;(wentThrough as Partial<Disposable> | undefined)?.[Symbol.dispose]?.()
  return assert.fail(`expected ${code}, but it went through`)
}
