import assert from 'node:assert/strict'
import type { Host, Runner } from '../host'
import { withoutLeaks } from '../with-device'

/** What a user without privileges meets: permissions, and the memory-lock limit. */
export function vfioLimits({ describe, it }: Runner, host: Host): void {
  const page = host.kernel.pageSize

  describe('vfio without privileges', () => {
    it('works for a user who owns the group node', () =>
      withoutLeaks(host, async () => {
        const outcome = await host.asUser('openAndIdentify', { ownsGroup: true, memlockBytes: 16 * page })
        assert.deepEqual(
          [outcome.succeeded, outcome.code, outcome.leaked],
          [1, undefined, 0],
          outcome.message,
        )
      }))

    it('tells a user who does not own it what to do', () =>
      withoutLeaks(host, async () => {
        const outcome = await host.asUser('openAndIdentify', { ownsGroup: false, memlockBytes: 16 * page })
        assert.deepEqual([outcome.succeeded, outcome.code, outcome.leaked], [0, 'EACCES', 0])
        assert.match(outcome.hint ?? '', /chown "\$USER" \/dev\/vfio\/\d+.*SUBSYSTEM=="vfio"/)
      }))

    it('stops at the memory-lock limit with the limit, the need and the line to change', () =>
      withoutLeaks(host, async () => {
        const outcome = await host.asUser('pinUntilRefused', { ownsGroup: true, memlockBytes: 16 * page })
        assert.deepEqual([outcome.succeeded, outcome.code], [1, 'ENOMEM'])
        const total = 17 * page
        assert.match(
          outcome.hint ?? '',
          new RegExp(`limit is ${16 * page} bytes, ${16 * page} bytes are locked and ${page} more`),
        )
        assert.match(outcome.hint ?? '', new RegExp(`ulimit -l ${total / 1024}'.*LimitMEMLOCK=${total}'`))
        assert.deepEqual([outcome.leaked, outcome.lockedKilobytes], [0, 0])
      }))

    it('leaves nothing pinned when the limit comes half way through a mapping', () =>
      withoutLeaks(host, async () => {
        const outcome = await host.asUser('pinTooMuch', { ownsGroup: true, memlockBytes: 16 * page })
        assert.deepEqual([outcome.succeeded, outcome.code], [1, 'ENOMEM'])
        assert.deepEqual([outcome.leaked, outcome.lockedKilobytes], [0, 0])
      }))
  })
}
