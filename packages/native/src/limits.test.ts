import { describe, expect, it } from 'vitest'
import { bundleKernel, runScript } from '../test-support/child'

const bundle = bundleKernel()

/** Runs until something throws, prints the error, and checks that all of it can be given back. */
function exhaust(acquire: string, options: Parameters<typeof runScript>[2]) {
  const { stdout, stderr, status } = runScript(
    bundle,
    `const held = []
    let caught
    const before = kernel.live()
    try { for (let index = 0; index < 200_000; index++) held.push(${acquire}) } catch (error) { caught = error }
    const { code, errno, syscall, hint } = caught
    const count = held.length
    for (const release of held) release()
    assert.deepEqual(kernel.live(), before)
    ;(${acquire})()
    console.log(JSON.stringify({ code, errno, syscall, hint, count }))`,
    options,
  )
  expect([stderr, status]).toEqual(['', 0])
  return JSON.parse(stdout) as { code: string; errno: number; syscall: string; hint: string; count: number }
}

describe('limits', () => {
  it.each([
    [
      "(() => { const fd = kernel.memfd('x', { byteLength: 1 }); return () => kernel.close(fd) })()",
      'memfd_create',
    ],
    ['(() => { const fd = kernel.eventfd(); return () => kernel.close(fd) })()', 'eventfd'],
    ["(() => { const fd = kernel.open('/dev/null', 0); return () => kernel.close(fd) })()", 'open'],
    [
      '(() => { const ends = kernel.socketPair(); return () => ends.forEach((fd) => kernel.close(fd)) })()',
      'socketpair',
    ],
    ['(() => { const fd = kernel.duplicate(0); return () => kernel.close(fd) })()', 'fcntl(F_DUPFD_CLOEXEC)'],
    ['(() => { const fd = kernel.pidfdOpen(process.pid); return () => kernel.close(fd) })()', 'pidfd_open'],
    [
      "(() => { const fd = kernel.listen('\\0' + process.hrtime.bigint()); return () => kernel.close(fd) })()",
      'socket',
    ],
  ])('says how to raise the number of descriptors: %#', (acquire, syscall) => {
    const error = exhaust(acquire, { shell: 'ulimit -n 64' })
    expect(error).toMatchObject({ code: 'EMFILE', errno: -24, syscall })
    expect(error.hint).toMatch(/sudo prlimit --pid \d+ --nofile=65536/)
    expect(error.count).toBeGreaterThan(10)
  })

  it('opens none of a message’s descriptors where there is no room for all', () => {
    const { stdout, stderr, status } = runScript(
      bundle,
      `const [left, right] = kernel.socketPair()
      kernel.sendMessage(left, new Uint8Array(1), new Array(60).fill(left))
      const before = kernel.live()
      console.log(codeOf(() => kernel.receiveMessage(right, new Uint8Array(1))))
      assert.deepEqual(kernel.live(), before)
      kernel.close(kernel.eventfd())`,
      { shell: 'ulimit -n 64' },
    )
    expect([stderr, status, stdout]).toEqual(['', 0, 'EMFILE\n'])
  })

  it('says that the address space is limited', () => {
    const { stdout, stderr, status } = runScript(
      bundle,
      `const fd = kernel.memfd('wide', { byteLength: 2 ** 40 })
      const before = kernel.live()
      try { kernel.mmap(fd, { byteLength: 2 ** 40 }) } catch ({ code, hint }) { console.log(code, hint) }
      assert.deepEqual(kernel.live(), before)
      kernel.mmap(fd, { byteLength: 4096 }).close()`,
      { shell: 'ulimit -v 60000000' },
    )
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout).toMatch(/^ENOMEM .*ulimit -v/)
  })

  it('says how much may be locked, and how to raise it', () => {
    const { stdout, stderr, status } = runScript(
      bundle,
      `if (process.getuid() === 0) { process.setegid(65534); process.seteuid(65534) }
      const fd = kernel.memfd('locked', { byteLength: 1 << 20 })
      const mapping = kernel.mmap(fd, { byteLength: 1 << 20 })
      try { kernel.mlock(mapping) } catch ({ code, syscall, hint }) { console.log(code, syscall, hint) }
      kernel.mlock(mapping, 0, 4096)`,
      { shell: 'ulimit -l 64' },
    )
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout).toMatch(
      /^ENOMEM mlock 1048576 more bytes .* limit is 65536 bytes in all: sudo prlimit --pid \d+ --memlock=unlimited\n$/,
    )
  })

  it('says how much may be pinned, and how to raise it', () => {
    const { stdout, stderr, status } = runScript(
      bundle,
      `if (process.getuid() === 0) { process.setegid(65534); process.seteuid(65534) }
      const fd = kernel.memfd('pinned', { byteLength: 1 << 20 })
      const mapping = kernel.mmap(fd, { byteLength: 1 << 20 })
      const before = kernel.live()
      try { kernel.pin(mapping) } catch ({ code, syscall, hint }) { console.log(code, syscall, hint) }
      assert.deepEqual(kernel.live(), before)
      kernel.pin(mapping, 0, 4096).close()`,
      { shell: 'ulimit -l 64' },
    )
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout).toMatch(
      /^ENOMEM io_uring_register 1048576 more bytes .*: sudo prlimit --pid \d+ --memlock=unlimited\n$/,
    )
  })

  it('gives the line that reserves huge pages', () => {
    const { stdout, stderr, status } = runScript(
      bundle,
      `const byteLength = 2 ** 41
      const fd = kernel.memfd('huge', { byteLength, hugePageSize: 2 ** 21 })
      const before = kernel.live()
      try { kernel.mmap(fd, { byteLength }) } catch ({ code, hint }) { console.log(code, hint) }
      assert.deepEqual(kernel.live(), before)`,
    )
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout).toContain('echo 1048576 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages')
    expect(stdout).toMatch(/^ENOMEM /)
  })
})
