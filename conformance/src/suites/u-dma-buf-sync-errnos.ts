import assert from 'node:assert/strict'
import { O_RDWR } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { MiB, rawUDmaBuf, SET_SYNC, SET_SYNC_FOR_CPU, SET_SYNC_FOR_DEVICE } from './u-dma-buf-raw'

/** What u-dma-buf answers to syncs, by its requests and by sysfs: as version 5.5.0 of the driver does. */
export function uDmaBufSyncErrnos({ describe, it }: Pick<Runner, 'describe' | 'it'>, host: Host): void {
  const { open, text, store, state, tell } = rawUDmaBuf(host)

  describe('u-dma-buf errnos of syncs', () => {
    it(
      'SET_SYNC: what it keeps, and what it refuses',
      open(O_RDWR, (fd) => {
        const rows: [values: (number | bigint)[], answer: number | string, after: string][] = [
          [[4, 4096, 8192], 0, '4 4096 8192'],
          [[1 | 8, 4096, 0], 0, '8 4096 0'],
          [[3 | 4, 4096, 4096], 0, '10004 4096 4096'],
          [[1 | 12, 16, 16], 0, '4 16 16'],
          [[1, 1, MiB - 1], 0, `0 1 ${MiB - 1}`],
          [[3, 0, 0], 0, '10000 1 0'],
          [[3, 2, MiB - 1], 'EINVAL', `10000 2 ${MiB - 1}`],
          [[1, 0, MiB], 'EINVAL', `10000 2 ${MiB}`],
          [[1, 16, 2n ** 40n], 'EINVAL', `10000 16 ${2n ** 40n}`],
          [[1, 2n ** 64n - 1n, 0], 'EINVAL', `10000 ${2n ** 64n - 1n} 0`],
          [[1, 32, 2n ** 64n - 16n], 0, `0 32 ${2n ** 64n - 16n}`],
          [[2, 4096, 0], 0, '0 4096 0'],
          [[1 << 16, 0, 0], 0, '0 4096 0'],
        ]
        const withMode = (after: string) =>
          after.replace(/^\w+/, (flags) => (Number.parseInt(flags, 16) | 0x100).toString(16))
        for (const [values, answer, after] of rows) {
          assert.deepEqual(
            [tell(fd, SET_SYNC, ...values), state(fd)],
            [answer, withMode(after)],
            values.join(' '),
          )
        }
        assert.equal(tell(fd, SET_SYNC, 0x17 << 8, 0, 0), 0)
        assert.deepEqual([text('sync_mode'), state(fd)], ['23', '1700 4096 0'])
      }),
    )

    it(
      'SET_SYNC_FOR_CPU and SET_SYNC_FOR_DEVICE: a word with its own range, or none',
      open(O_RDWR, (fd) => {
        const answers = [
          tell(fd, SET_SYNC_FOR_DEVICE, 1),
          text('sync_owner'),
          tell(fd, SET_SYNC_FOR_CPU, 0),
          text('sync_owner'),
          tell(fd, SET_SYNC_FOR_CPU, 0x1000_0000_1005n),
          text('sync_owner'),
          tell(fd, SET_SYNC_FOR_DEVICE, 0xffff_f000_0000_0021n),
          text('sync_for_device'),
          tell(fd, SET_SYNC_FOR_DEVICE, 2),
          text('sync_for_device'),
        ]
        assert.deepEqual(answers, [0, '1', 0, '1', 0, '0', 'EINVAL', '18446726481523507233', 0, '0'])
      }),
    )

    it(
      'stores',
      open(O_RDWR, () => {
        const answers = [
          store('sync_direction', '2'),
          store('sync_direction', '3'),
          store('sync_mode', '8'),
          store('sync_mode', '-1'),
          store('sync_mode', 'abc'),
          store('sync_offset', '0x1000'),
          store('sync_size', '4096\n'),
          store('sync_for_device', '1'),
          text('sync_owner'),
          store('sync_for_cpu', '0x1000000001000001'),
          text('sync_for_cpu'),
          store('sync_size', '99999999'),
          store('sync_for_cpu', '1'),
          store('debug_vma', '4'),
          store('debug_export', '2'),
        ]
        const refused = 'EINVAL'
        assert.deepEqual(answers, [
          ...[0, refused, refused, refused, refused, 0, 0, 0, '1', refused, '1152921504623624193'],
          ...[0, refused, refused, refused],
        ])
        for (const name of ['size', 'phys_addr', 'sync_owner']) assert.equal(store(name, '1'), 'EACCES')
      }),
    )
  })
}
