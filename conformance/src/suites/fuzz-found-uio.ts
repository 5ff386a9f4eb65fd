import { type KnownStep, replays } from '../fuzz/replay'
import type { Host, Runner } from '../host'

/** What the fuzzer found the fake to do otherwise than Linux, of UIO: shortened, and named. */
export function fuzzFoundUio({ describe, it }: Runner, host: Host): void {
  const uio = (...program: KnownStep[]) => replays(host, 'uio', program)

  describe('fuzz found, uio', () => {
    it('refuses to open what cannot be written, before anything is', () =>
      uio(
        ['attribute', { name: 'name', text: '1' }, { code: 'EACCES', syscall: 'open' }],
        ['attribute', { name: 'portio/port0/name', text: '1' }, { code: 'ENOENT', syscall: 'open' }],
      ))
  })
}
