import { AsyncLocalStorage } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rejectionOf, thrownBy } from '../test-support/errors'
import { O_RDWR, POLLIN } from './constants'
import type { LiveCounters, WatchListener } from './kernel'
import { linuxKernel } from './linux-kernel'

const kernel = linuxKernel()
let before: LiveCounters
beforeEach(() => {
  before = kernel.live()
})
afterEach(() => expect(kernel.live()).toEqual(before))

const turn = () => new Promise((resolve) => setImmediate(resolve))

function signal(fd: number, count = 1n): void {
  kernel.write(fd, new Uint8Array(new BigUint64Array([count]).buffer))
}

/** A listener that keeps what it was told, and a promise of the next thing. */
function recorder() {
  const counts: number[] = []
  const errors: Error[] = []
  let wake = () => {}
  const listener: WatchListener = {
    onCount(count) {
      counts.push(count)
      wake()
    },
    onError(error) {
      errors.push(error)
      wake()
    },
  }
  return {
    counts,
    errors,
    listener,
    next: () =>
      new Promise<void>((resolve) => {
        wake = resolve
      }),
  }
}

describe('watch', () => {
  it('hands on what an eventfd counted since the last time', async () => {
    const fd = kernel.eventfd(3)
    const { counts, errors, listener, next } = recorder()
    const watch = kernel.watch(fd, 8, listener)
    expect(kernel.live().watches).toBe(before.watches + 1)
    await next()
    signal(fd, 4n)
    signal(fd, 0xfffffffn)
    await next()
    expect([counts, errors]).toEqual([[3, 0x10000003], []])
    watch.close()
    watch.close()
    signal(fd)
    await turn()
    await turn()
    expect(counts).toHaveLength(2)
    kernel.close(fd)
  })

  it('reads four bytes where the counter has four', async () => {
    const [left, right] = kernel.socketPair()
    const { counts, listener, next } = recorder()
    const watch = kernel.watch(right, 4, listener)
    kernel.sendMessage(left, new Uint8Array(new Uint32Array([0xfffffffe]).buffer))
    await next()
    expect(counts).toEqual([0xfffffffe])
    watch.close()
    kernel.close(left)
    kernel.close(right)
  })

  it('runs each count as an event of its own: promises before the next one', async () => {
    const first = kernel.eventfd(1)
    const second = kernel.eventfd(1)
    const order: string[] = []
    await new Promise<void>((resolve) => {
      for (const fd of [first, second]) {
        const watch = kernel.watch(fd, 8, {
          onCount() {
            order.push('count')
            watch.close()
            Promise.resolve().then(() => {
              order.push('promise')
              if (order.length === 4) resolve()
            })
          },
          onError() {},
        })
      }
    })
    expect(order).toEqual(['count', 'promise', 'count', 'promise'])
    kernel.close(first)
    kernel.close(second)
  })

  it('keeps the async context that it was made in', async () => {
    const storage = new AsyncLocalStorage<string>()
    const fd = kernel.eventfd(1)
    const seen = await storage.run(
      'mine',
      () =>
        new Promise((resolve) => {
          const watch = kernel.watch(fd, 8, {
            onCount() {
              watch.close()
              resolve(storage.getStore())
            },
            onError() {},
          })
        }),
    )
    // Node restores the store of AsyncLocalStorage by the resource that napi_async_init makes.
    expect(seen).toBe('mine')
    kernel.close(fd)
  })

  it('reports the end of a counter once, and stops', async () => {
    const [left, right] = kernel.socketPair()
    const { counts, errors, listener, next } = recorder()
    kernel.watch(right, 8, listener)
    kernel.close(left)
    await next()
    expect(errors).toMatchObject([{ code: 'EIO', syscall: 'read' }])
    await turn()
    await turn()
    expect([counts.length, errors.length, kernel.live().watches]).toEqual([0, 1, before.watches])
    kernel.close(right)
  })

  it('tells the listener when the descriptor is closed under it, later and once', async () => {
    const fd = kernel.eventfd()
    const { errors, listener, next } = recorder()
    const watch = kernel.watch(fd, 8, listener)
    kernel.close(fd)
    expect(errors).toEqual([])
    await next()
    expect(errors).toMatchObject([{ code: 'DMA_CLOSED' }])
    watch.close()
    const other = kernel.eventfd(1)
    const quiet = recorder()
    const closed = kernel.watch(other, 8, quiet.listener)
    kernel.close(other)
    closed.close()
    await turn()
    await turn()
    expect(quiet.errors).toEqual([])
  })

  it('takes the same number again after a close, for another file', async () => {
    const fd = kernel.eventfd()
    kernel.watch(fd, 8, recorder().listener)
    kernel.close(fd)
    const again = kernel.eventfd(6)
    expect(again).toBe(fd)
    const { counts, listener, next } = recorder()
    const watch = kernel.watch(again, 8, listener)
    await next()
    expect(counts).toEqual([6])
    watch.close()
    kernel.close(again)
  })

  it('allows one watch or poll for each descriptor', async () => {
    const fd = kernel.eventfd()
    const watch = kernel.watch(fd, 8, recorder().listener)
    const error = thrownBy(() => kernel.watch(fd, 8, recorder().listener))
    expect(error).toMatchObject({ code: 'EBUSY', errno: -16 })
    expect(error.hint).toContain('close the other watch')
    expect((await rejectionOf(kernel.poll(fd, POLLIN))).code).toBe('EBUSY')
    watch.close()
    kernel.watch(fd, 8, recorder().listener).close()
    kernel.close(fd)
  })

  it('refuses what cannot be watched', () => {
    const folder = mkdtempSync(join(tmpdir(), 'linux-dma-'))
    const path = join(folder, 'file')
    writeFileSync(path, 'text')
    const fd = kernel.open(path, O_RDWR)
    const error = thrownBy(() => kernel.watch(fd, 8, recorder().listener))
    expect(error.code).toBe('EPERM')
    expect(error.hint).toContain('regular file')
    kernel.close(fd)
    rmSync(folder, { recursive: true })
    expect(thrownBy(() => kernel.watch(fd, 8, recorder().listener)).code).toBe('EBADF')
    const eventfd = kernel.eventfd()
    expect(thrownBy(() => kernel.watch(eventfd, 2 as 4, recorder().listener)).code).toBe(
      'DMA_INVALID_ARGUMENT',
    )
    for (const listener of [undefined, {}, { onCount() {} }, () => {}]) {
      expect(thrownBy(() => kernel.watch(eventfd, 8, listener as unknown as WatchListener)).code).toBe(
        'DMA_INVALID_ARGUMENT',
      )
    }
    kernel.close(eventfd)
  })

  it('loses no event of a million that another process signals', async () => {
    // The child has the eventfd as its descriptor 3 and adds one to it each time.
    const fd = kernel.eventfd()
    let sum = 0
    const done = new Promise<void>((resolve) => {
      const watch = kernel.watch(fd, 8, {
        onCount(count) {
          sum += count
          if (sum >= 1_000_000) {
            watch.close()
            resolve()
          }
        },
        onError() {},
      })
    })
    const code = `const fs = require('fs'); const one = Buffer.from(new BigUint64Array([1n]).buffer)
      for (let i = 0; i < 1e6; i++) fs.writeSync(3, one)`
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'inherit', 'inherit', fd] })
    const exit = new Promise((resolve) => child.on('exit', resolve))
    await done
    expect(await exit).toBe(0)
    const rest = new Uint8Array(8)
    expect(thrownBy(() => kernel.read(fd, rest)).code).toBe('EAGAIN')
    expect(sum).toBe(1_000_000)
    kernel.close(fd)
  }, 60_000)
})
