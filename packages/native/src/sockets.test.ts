import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { bundleKernel, runScript } from '../test-support/child'
import { thrownBy } from '../test-support/errors'
import { POLLIN, POLLOUT } from './constants'
import { linuxKernel } from './linux-kernel'
import type { SocketType } from './socket-address'

const kernel = linuxKernel()
const folder = mkdtempSync(join(tmpdir(), 'linux-dma-'))
const place = join(folder, 'socket')
const bundle = bundleKernel()
afterAll(() => rmSync(folder, { recursive: true }))

/** Two ends of a connection; all is closed afterwards, and nothing else may be left. */
async function withConnection(
  type: SocketType,
  use: (near: number, far: number) => void | Promise<void>,
): Promise<void> {
  const before = kernel.live()
  const listener = kernel.listen(place, { type })
  const near = kernel.connect(place, { type })
  const far = kernel.accept(listener)
  try {
    await use(near, far)
  } finally {
    for (const fd of [listener, near, far]) kernel.close(fd)
    kernel.unlink(place)
  }
  expect(kernel.live()).toEqual(before)
}

function text(bytes: Uint8Array, byteLength: number): string {
  return Buffer.from(bytes.subarray(0, byteLength)).toString()
}

function outcome(call: () => string): string {
  try {
    return call()
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('sockets with a name', () => {
  it.each(['stream', 'seqpacket'] as const)('carry bytes and descriptors both ways: %s', (type) =>
    withConnection(type, async (near, far) => {
      const memory = kernel.memfd('travels', { byteLength: 4096 })
      const bytes = new Uint8Array(16)
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        const arrived = kernel.poll(to, POLLIN)
        expect(kernel.sendMessage(from, Buffer.from('take'), [memory])).toBe(4)
        expect(await arrived).toBe(POLLIN)
        const { byteLength, descriptors } = kernel.receiveMessage(to, bytes)
        expect([text(bytes, byteLength), descriptors.length]).toEqual(['take', 1])
        kernel.write(descriptors[0]!, new Uint8Array([to]), 0)
        kernel.close(descriptors[0]!)
      }
      kernel.read(memory, bytes, 0)
      expect(bytes[0]).toBe(near)
      kernel.close(memory)
    }),
  )

  it('are ready for Node.js’s own clients', async () => {
    const listener = kernel.listen(place)
    const client = createConnection(place)
    await kernel.poll(listener, POLLIN)
    const far = kernel.accept(listener)
    client.end('from node')
    await kernel.poll(far, POLLIN)
    const bytes = new Uint8Array(16)
    expect(text(bytes, kernel.receiveMessage(far, bytes).byteLength)).toBe('from node')
    client.destroy()
    for (const fd of [listener, far]) kernel.close(fd)
    kernel.unlink(place)
  })

  it('do not block, close on exec, and have a file that stays', () => {
    const listener = kernel.listen(place)
    const near = kernel.connect(place)
    const far = kernel.accept(listener)
    for (const fd of [listener, near, far]) {
      // O_CLOEXEC, O_NONBLOCK and O_RDWR.
      expect(kernel.readText(`/proc/self/fdinfo/${fd}`)).toContain('flags:\t02004002\n')
      kernel.close(fd)
    }
    expect(statSync(place).isSocket()).toBe(true)
    kernel.unlink(place)
    expect(existsSync(place)).toBe(false)
  })

  it('say why there is none, and what to do', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    kernel.close(kernel.listen(place))
    const listener = kernel.listen(`\0${place}`, { backlog: 0 })
    for (const [call, code, syscall, path, hint] of [
      [() => kernel.listen(place), 'EADDRINUSE', 'bind', place, `kernel.unlink('${place}')`],
      [() => kernel.listen(`\0${place}`), 'EADDRINUSE', 'bind', `@${place}`, 'ss -xlp'],
      [() => kernel.listen(`${folder}/no/socket`), 'ENOENT', 'bind', `${folder}/no/socket`, 'ls -l'],
      [() => kernel.listen('/sys/socket'), 'EPERM', 'bind', '/sys/socket', '/tmp'],
      [() => kernel.connect(place), 'ECONNREFUSED', 'connect', place, 'left over'],
      [() => kernel.connect(file), 'ECONNREFUSED', 'connect', file, 'no socket'],
      [() => kernel.connect(`${place}-`), 'ENOENT', 'connect', `${place}-`, 'nobody listens there yet'],
      [() => kernel.connect(`\0${place}-`), 'ECONNREFUSED', 'connect', `@${place}-`, 'names of its own'],
      [
        () => kernel.connect(`\0${place}`, { type: 'seqpacket' }),
        'ECONNREFUSED',
        'connect',
        `@${place}`,
        'seqpacket',
      ],
      [() => kernel.accept(listener), 'EAGAIN', 'accept4', undefined, 'POLLIN'],
      [
        () => kernel.sendMessage(listener, new Uint8Array(1)),
        'ENOTCONN',
        'sendmsg',
        undefined,
        'kernel.accept()',
      ],
    ] as const) {
      const error = thrownBy(call)
      expect(error).toMatchObject({ name: 'DmaError', code, syscall })
      expect([error.path, error.errno! < 0]).toEqual([path, true])
      expect(error.hint).toContain(hint)
    }
    kernel.close(kernel.connect(`\0${place}`))
    expect(thrownBy(() => kernel.connect(`\0${place}`))).toMatchObject({
      code: 'EAGAIN',
      hint: expect.stringContaining('backlog'),
    })
    kernel.unlink(place)
    kernel.close(listener)
  })

  it('are not for those who may not write the file, or the directory', () => {
    const { stdout, stderr, status } = runScript(
      bundle,
      `const place = ${JSON.stringify(place)}
      const listener = kernel.listen(place)
      // Root is let in everywhere; anybody else has a directory and a socket closed to them.
      const fs = await import('node:fs')
      if (process.getuid() === 0) { fs.chmodSync(${JSON.stringify(folder)}, 0o755); process.setegid(65534); process.seteuid(65534) }
      else { fs.chmodSync(place, 0o555); fs.chmodSync(${JSON.stringify(folder)}, 0o555) }
      const failures = []
      for (const call of [() => kernel.connect(place), () => kernel.listen(place + '-'), () => kernel.unlink(place)]) {
        try { call() } catch ({ code, syscall, hint }) { failures.push([code, syscall, hint]) }
      }
      if (process.getuid() === 0) process.seteuid(0)
      else fs.chmodSync(${JSON.stringify(folder)}, 0o700)
      kernel.unlink(place)
      console.log(JSON.stringify(failures))`,
    )
    expect([stderr, status]).toEqual(['', 0])
    expect(JSON.parse(stdout)).toEqual([
      ['EACCES', 'connect', expect.stringContaining(`setfacl -m u:$USER:rw ${place}`)],
      ['EACCES', 'bind', expect.stringContaining(`ls -ld ${folder}`)],
      ['EACCES', 'unlink', expect.any(String)],
    ])
  })

  it.each([
    '',
    '\0',
    'a\0b',
    '\0a\0b',
    `/${'x'.repeat(107)}`,
    `\0${'x'.repeat(108)}`,
    'é'.repeat(54),
    7,
    null,
  ])('refuse the name %j', (name) => {
    for (const verb of ['listen', 'connect'] as const) {
      expect(thrownBy(() => kernel[verb](name as string)).code).toBe('DMA_INVALID_ARGUMENT')
    }
  })

  it('take names of 107 bytes', () => {
    for (const name of [
      `${folder}/${'x'.repeat(106 - folder.length)}`,
      `\0${'x'.repeat(107)}`,
      `\0${'é'.repeat(53)}`,
    ]) {
      const listener = kernel.listen(name)
      kernel.close(kernel.connect(name))
      kernel.close(listener)
    }
    expect(thrownBy(() => kernel.listen(`/tmp/${'x'.repeat(200)}`)).hint).toContain('abstract name')
  })

  it.each([
    { type: 'dgram' },
    { typ: 'stream' },
    { backlog: -1 },
    { backlog: 0.5 },
    { backlog: 2 ** 31 },
    3,
    null,
  ])('refuse the options %j', (options) => {
    expect(thrownBy(() => kernel.listen(place, options as never)).code).toBe('DMA_INVALID_ARGUMENT')
    expect(existsSync(place)).toBe(false)
  })
})

describe('a stream', () => {
  it('ends an answer with the bytes that brought descriptors', () =>
    withConnection('stream', (near, far) => {
      const fd = kernel.eventfd()
      const messages: [string, number[]][] = [
        ['a', []],
        ['bb', [fd]],
        ['cc', [fd, fd]],
        ['d', []],
        ['e', []],
        ['ff', [fd]],
      ]
      for (const [sent, descriptors] of messages) kernel.sendMessage(near, Buffer.from(sent), descriptors)
      const bytes = new Uint8Array(64)
      const answers = Array.from({ length: 3 }, () => {
        const { byteLength, descriptors } = kernel.receiveMessage(far, bytes)
        for (const received of descriptors) kernel.close(received)
        return [text(bytes, byteLength), descriptors.length]
      })
      expect(answers).toEqual([
        ['abb', 1],
        ['cc', 2],
        ['deff', 1],
      ])
      kernel.close(fd)
    }))

  it('gives descriptors once where their bytes are read in parts', () =>
    withConnection('stream', (near, far) => {
      kernel.sendMessage(near, Buffer.from('abcdef'), [near, far])
      const bytes = new Uint8Array(2)
      const counts = Array.from({ length: 3 }, () => {
        const { byteLength, descriptors } = kernel.receiveMessage(far, bytes)
        for (const received of descriptors) kernel.close(received)
        return [byteLength, descriptors.length]
      })
      expect(counts).toEqual([
        [2, 2],
        [2, 0],
        [2, 0],
      ])
    }))

  it('takes a part where there is no room for all, and says when there is', () =>
    withConnection('stream', async (near, far) => {
      const large = new Uint8Array(4 << 20)
      const sent = kernel.sendMessage(near, large, [near])
      expect(sent).toBeGreaterThan(0)
      expect(sent).toBeLessThan(large.byteLength)
      expect(thrownBy(() => kernel.sendMessage(near, large))).toMatchObject({
        code: 'EAGAIN',
        hint: expect.stringContaining('POLLOUT'),
      })
      const writable = kernel.poll(near, POLLOUT)
      let received = 0
      while (received < sent) {
        const { byteLength, descriptors } = kernel.receiveMessage(far, large)
        for (const fd of descriptors) kernel.close(fd)
        received += byteLength
      }
      expect([received, await writable]).toEqual([sent, POLLOUT])
    }))

  it.each([
    ['stream', ['EPIPE', 'last', 'ECONNRESET', '', 'EPIPE']],
    ['seqpacket', ['ECONNRESET', 'last', '', '', 'EPIPE']],
  ] as const)(
    'tells once of an end that was closed with something unread, as a %s does',
    (type, expected) => {
      const listener = kernel.listen(place, { type })
      const near = kernel.connect(place, { type })
      const far = kernel.accept(listener)
      kernel.sendMessage(far, Buffer.from('last'))
      kernel.sendMessage(near, Buffer.from('unread'))
      kernel.close(far)
      const bytes = new Uint8Array(8)
      const send = () => String(kernel.sendMessage(near, bytes))
      const receive = () => text(bytes, kernel.receiveMessage(near, bytes).byteLength)
      expect([send, receive, receive, receive, send].map(outcome)).toEqual(expected)
      for (const fd of [listener, near]) kernel.close(fd)
      kernel.unlink(place)
    },
  )
})

it('keeps no descriptor of a message whose descriptors did not all fit', () => {
  const { stdout, stderr, status } = runScript(
    bundle,
    `const listener = kernel.listen('\\0crowded' + process.pid)
    const near = kernel.connect('\\0crowded' + process.pid)
    const far = kernel.accept(listener)
    kernel.sendMessage(near, new Uint8Array([1, 1]), new Array(60).fill(near))
    kernel.sendMessage(near, new Uint8Array([2]))
    const before = kernel.live()
    const bytes = new Uint8Array(8)
    console.log(codeOf(() => kernel.receiveMessage(far, bytes)))
    assert.deepEqual(kernel.live(), before)
    assert.deepEqual(kernel.receiveMessage(far, bytes), { byteLength: 1, descriptors: [] })
    console.log(bytes[0])`,
    { shell: 'ulimit -n 64' },
  )
  expect([stderr, status, stdout]).toEqual(['', 0, 'EMFILE\n2\n'])
})

it('has so many descriptors on their way, and no more', () => {
  const { stdout, stderr, status } = runScript(
    bundle,
    `if (process.getuid() === 0) { process.setegid(65534); process.seteuid(65534) }
    const [left] = kernel.socketPair()
    const send = () => kernel.sendMessage(left, new Uint8Array(1), new Array(60).fill(left))
    try { for (;;) send() } catch ({ code, hint }) { console.log(code, hint) }`,
    { shell: 'ulimit -n 64' },
  )
  expect([stderr, status]).toEqual(['', 0])
  expect(stdout).toMatch(/^ETOOMANYREFS .*RLIMIT_NOFILE/)
})

it('leaves no socket of a worker that is terminated', () => {
  const { stdout, stderr, status } = runScript(
    bundle,
    `import fs from 'node:fs'
    const count = () => fs.readdirSync('/proc/self/fd').map((fd) => { try { return fs.readlinkSync('/proc/self/fd/' + fd) } catch { return '' } }).filter((link) => link.startsWith('socket:')).length
    const name = '\\0worker' + process.pid
    const before = count()
    const source = \`import { linuxKernel } from '${bundle}'
      import { parentPort } from 'node:worker_threads'
      const kernel = linuxKernel()
      const listener = kernel.listen(\${JSON.stringify(name)})
      kernel.connect(\${JSON.stringify(name)})
      kernel.accept(listener)
      kernel.duplicate(listener)
      kernel.pidfdGetfd(kernel.pidfdOpen(process.pid), listener)
      parentPort.postMessage('open')
      setInterval(() => {}, 1000)\`
    const worker = new workers.Worker(source, { eval: true })
    await new Promise((resolve) => worker.once('message', resolve))
    assert.equal(count(), before + 5)
    await worker.terminate()
    console.log(count() - before, codeOf(() => kernel.connect(name)))`,
  )
  expect([stderr, status, stdout]).toEqual(['', 0, '0 ECONNREFUSED\n'])
  expect(readdirSync(folder)).not.toContain('socket')
})
