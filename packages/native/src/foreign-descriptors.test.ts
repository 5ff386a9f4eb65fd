import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { bundleKernel, runScript } from '../test-support/child'
import { thrownBy } from '../test-support/errors'
import { O_RDONLY, POLLIN } from './constants'
import { linuxKernel } from './linux-kernel'

const kernel = linuxKernel()
const bundle = bundleKernel()
const folder = mkdtempSync(join(tmpdir(), 'linux-dma-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('a duplicate', () => {
  it('is of the same open file: one position, closed apart, not inherited', () => {
    const path = join(folder, 'file')
    writeFileSync(path, 'abcdef')
    const before = kernel.live().descriptors
    const fd = kernel.open(path, O_RDONLY)
    const other = kernel.duplicate(fd)
    expect(kernel.live().descriptors).toBe(before + 2)
    expect(readFileSync(`/proc/self/fdinfo/${other}`, 'utf8')).toMatch(/flags:\s+02[0-9]*0\n/)
    const bytes = new Uint8Array(2)
    kernel.read(fd, bytes)
    kernel.close(fd)
    kernel.read(other, bytes)
    expect(Buffer.from(bytes).toString()).toBe('cd')
    kernel.close(other)
    expect(thrownBy(() => kernel.duplicate(other))).toMatchObject({
      code: 'EBADF',
      syscall: 'fcntl(F_DUPFD_CLOEXEC)',
    })
    expect(thrownBy(() => kernel.duplicate(0.5)).code).toBe('DMA_INVALID_ARGUMENT')
  })

  it('can be had of what this kernel did not open, which stays open', () => {
    const foreign = openSync('/proc/self/status', 'r')
    const own = kernel.duplicate(foreign)
    kernel.close(own)
    expect(thrownBy(() => kernel.close(foreign)).code).toBe('EBADF')
    closeSync(foreign)
  })

  it('can be had of another thread’s, and outlives that thread', () => {
    const { stdout, stderr, status } = runScript(
      bundle,
      `const source = \`import { linuxKernel } from '${bundle}'
      import { parentPort } from 'node:worker_threads'
        const kernel = linuxKernel()
        const fd = kernel.memfd('of the worker', { byteLength: 4096 })
        kernel.write(fd, new Uint8Array([42]), 0)
        parentPort.postMessage(fd)
        setInterval(() => {}, 1000)\`
      const worker = new workers.Worker(source, { eval: true })
      const theirs = await new Promise((resolve) => worker.once('message', resolve))
      const own = kernel.duplicate(theirs)
      await worker.terminate()
      const bytes = new Uint8Array(1)
      kernel.read(own, bytes, 0)
      assert.throws(() => kernel.duplicate(theirs), { code: 'EBADF' })
      kernel.close(own)
      console.log(bytes[0], kernel.live().descriptors)`,
    )
    expect([stderr, status, stdout]).toEqual(['', 0, '42 0\n'])
  })
})

describe('a process', () => {
  it('is one until it has ended, and gives what it has open', async () => {
    const before = kernel.live()
    const child = spawn('sleep', ['60'], { stdio: ['pipe', 'ignore', 'ignore'] })
    const fd = kernel.pidfdOpen(child.pid!)
    const input = kernel.pidfdGetfd(fd, 0)
    // Its end of the pipe: a socket, as Node.js makes them.
    child.stdin.write('hello')
    await kernel.poll(input, POLLIN)
    const bytes = new Uint8Array(16)
    expect(Buffer.from(bytes.subarray(0, kernel.read(input, bytes))).toString()).toBe('hello')
    const missing = thrownBy(() => kernel.pidfdGetfd(fd, 999))
    expect(missing).toMatchObject({ code: 'EBADF', syscall: 'pidfd_getfd' })
    expect(missing.hint).toContain('/proc/PID/fd')
    const ended = kernel.poll(fd, POLLIN)
    child.kill()
    expect((await ended) & POLLIN).toBe(POLLIN)
    await new Promise((resolve) => child.once('close', resolve))
    expect(thrownBy(() => kernel.pidfdGetfd(fd, 0))).toMatchObject({
      code: 'ESRCH',
      hint: 'the process has ended',
    })
    const gone = thrownBy(() => kernel.pidfdOpen(child.pid!))
    expect(gone).toMatchObject({ code: 'ESRCH', syscall: 'pidfd_open', errno: -3 })
    expect(gone.hint).toContain(`ps -p ${child.pid}`)
    kernel.close(input)
    kernel.close(fd)
    expect(kernel.live()).toEqual(before)
  })

  it('keeps its descriptors from who may not trace it', () => {
    // Without privileges nobody may trace a process of another user, whichever the two are.
    const { stdout, stderr, status } = runScript(
      bundle,
      `const pid = process.getuid() === 0 ? process.pid : 1
      if (process.getuid() === 0) {
        const { spawn } = await import('node:child_process')
        const child = spawn('sleep', ['60'], { stdio: 'ignore' })
        process.setgroups([]); process.setgid(65534); process.setuid(65534)
        const fd = kernel.pidfdOpen(child.pid)
        try { kernel.pidfdGetfd(fd, 0) } catch ({ code, hint }) { console.log(code, hint) }
        process.exit()
      }
      const fd = kernel.pidfdOpen(1)
      try { kernel.pidfdGetfd(fd, 0) } catch ({ code, hint }) { console.log(code, hint) }`,
    )
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout).toMatch(/^EPERM .*ptrace_scope=0, or CAP_SYS_PTRACE/)
  })

  it.each([0, -1, 0.5, 2 ** 31, '1', undefined])('has no id such as %s', (pid) => {
    expect(thrownBy(() => kernel.pidfdOpen(pid as number)).code).toBe('DMA_INVALID_ARGUMENT')
    expect(thrownBy(() => kernel.pidfdGetfd(pid === 0 ? -1 : (pid as number), 0)).code).toMatch(
      /DMA_INVALID_ARGUMENT/,
    )
  })
})
