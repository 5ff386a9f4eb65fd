import assert from 'node:assert/strict'
import {
  F_SEAL_SHRINK,
  type Kernel,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  type SocketType,
} from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

/** Processes that know each other by name: bytes and descriptors go both ways, one is taken without being sent. */
const twoProcesses = `
  import assert from 'node:assert/strict'
  import { spawn } from 'node:child_process'
  import { POLLIN } from '@linux-dma/native'
  import { linuxKernel } from '@linux-dma/core'
  const kernel = linuxKernel()
  const receive = async (fd) => {
    await kernel.poll(fd, POLLIN)
    const bytes = new Uint8Array(64)
    const { byteLength, descriptors } = kernel.receiveMessage(fd, bytes)
    return { text: new TextDecoder().decode(bytes.subarray(0, byteLength)), descriptors }
  }
  const send = (fd, text, descriptors) => kernel.sendMessage(fd, new TextEncoder().encode(text), descriptors)
  const holding = (value) => {
    const fd = kernel.memfd('holds ' + value, { byteLength: 4096 })
    kernel.write(fd, new Uint8Array([value]), 0)
    return fd
  }
  const valueOf = (fd) => { const bytes = new Uint8Array(1); kernel.read(fd, bytes, 0); return bytes[0] }
  const [, file, parent] = process.argv
  const namesOf = (pid) => ['/tmp/linux-dma-two-' + pid, '\\0linux-dma-two-' + pid]
  async function answer(name) {
    const socket = kernel.connect(name)
    const { descriptors: [memory] } = await receive(socket)
    kernel.write(memory, new Uint8Array([valueOf(memory) + 1]), 0)
    send(socket, String(holding(77)), [holding(88)])
  }
  async function exchange(listener, child) {
    await kernel.poll(listener, POLLIN)
    const socket = kernel.accept(listener)
    const memory = holding(41)
    send(socket, 'take', [memory])
    const { text, descriptors } = await receive(socket)
    assert.deepEqual([valueOf(memory), ...descriptors.map(valueOf)], [42, 88])
    const taken = kernel.pidfdGetfd(child, Number(text))
    assert.equal(valueOf(taken), 77)
    assert.throws(() => kernel.pidfdGetfd(child, 9999), { code: 'EBADF' })
    send(socket, 'never read')
    for (const fd of [memory, ...descriptors]) kernel.close(fd)
    return { socket, taken, number: Number(text) }
  }
  function afterTheEnd(child, { socket, taken, number }) {
    assert.throws(() => kernel.receiveMessage(socket, new Uint8Array(1)), { code: 'ECONNRESET' })
    assert.throws(() => send(socket, 'late'), { code: 'EPIPE' })
    assert.throws(() => kernel.pidfdGetfd(child, number), { code: 'ESRCH' })
    // What was taken outlives its process.
    assert.equal(valueOf(taken), 77)
    kernel.close(socket)
    kernel.close(taken)
  }
  async function main() {
    const names = namesOf(process.pid)
    const listeners = names.map((name) => kernel.listen(name))
    const running = spawn(process.execPath, [file, String(process.pid)], { stdio: 'inherit' })
    const child = kernel.pidfdOpen(running.pid)
    const exchanged = []
    for (const listener of listeners) exchanged.push(await exchange(listener, child))
    running.kill('SIGKILL')
    await kernel.poll(child, POLLIN)
    await new Promise((resolve) => running.once('exit', resolve))
    for (const one of exchanged) afterTheEnd(child, one)
    assert.throws(() => kernel.pidfdOpen(running.pid), { code: 'ESRCH' })
    for (const fd of [child, ...listeners]) kernel.close(fd)
    kernel.unlink(names[0])
    assert.equal(kernel.live().descriptors, 0)
    console.log('shared')
  }
  if (parent === undefined) await main()
  else {
    for (const name of namesOf(parent)) await answer(name)
    // Until it is killed.
    setInterval(() => {}, 1000)
  }
`

/** Descriptors of one's own, sockets with a name, processes. */
export function kernelSockets({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, runProcess } = host
  const place = `/tmp/linux-dma-suite-${kernel.readLink('/proc/self')}`
  const types = ['stream', 'seqpacket'] as const

  describe('kernel sockets', () => {
    it('gives a descriptor of its own of the same open file', () =>
      withoutLeaks(host, () => {
        const fd = kernel.memfd('twice', { byteLength: 4096 })
        kernel.write(fd, new Uint8Array([1, 2, 3]), 0)
        const other = kernel.duplicate(fd)
        assert.notEqual(other, fd)
        const bytes = new Uint8Array(1)
        kernel.read(fd, bytes)
        kernel.read(other, bytes)
        assert.equal(bytes[0], 2, 'one position for both')
        kernel.close(fd)
        assert.ok(kernel.getSeals(other) & F_SEAL_SHRINK)
        kernel.read(other, bytes)
        assert.equal(bytes[0], 3)
        kernel.close(other)
        refusal(() => kernel.duplicate(other), 'EBADF')
        refusal(() => kernel.duplicate(-1), 'DMA_INVALID_ARGUMENT')
      }))

    for (const type of types) {
      it(`connects by a path: ${type}`, () =>
        withoutLeaks(host, async () => {
          const listener = kernel.listen(place, { type })
          refusal(() => kernel.accept(listener), 'EAGAIN', /poll/)
          const near = kernel.connect(place, { type })
          assert.equal(await kernel.poll(listener, POLLIN | POLLOUT), POLLIN)
          kernel.sendMessage(near, new Uint8Array([1, 2]), [listener])
          const far = kernel.accept(listener)
          refusal(() => kernel.accept(listener), 'EAGAIN')
          assert.equal(await kernel.poll(far, POLLIN | POLLOUT), POLLIN | POLLOUT)
          const { text, descriptors } = take(kernel, far)
          assert.deepEqual([text, descriptors.length], ['12', 1])
          kernel.sendMessage(far, new Uint8Array([3]))
          assert.equal(take(kernel, near).text, '3')
          refusal(() => take(kernel, near), 'EAGAIN')
          // One of the two descriptors of the listener is left: it still listens.
          kernel.close(listener)
          kernel.close(kernel.connect(place, { type }))
          for (const fd of [near, far, ...descriptors]) kernel.close(fd)
          refusal(() => kernel.connect(place, { type }), 'ECONNREFUSED', /listen/)
          refusal(() => kernel.listen(place, { type }), 'EADDRINUSE', /unlink\('/)
          kernel.unlink(place)
          refusal(() => kernel.connect(place, { type }), 'ENOENT')
          refusal(() => kernel.unlink(place), 'ENOENT')
        }))

      it(`connects by an abstract name, which is gone with the descriptor: ${type}`, () =>
        withoutLeaks(host, () => {
          const name = `\0${place}`
          const listener = kernel.listen(name, { type })
          refusal(() => kernel.listen(name, { type }), 'EADDRINUSE')
          const otherType = type === 'stream' ? 'seqpacket' : 'stream'
          refusal(() => kernel.connect(name, { type: otherType }), 'ECONNREFUSED')
          const namesake = kernel.listen(name, { type: otherType })
          const near = kernel.connect(name, { type })
          const far = kernel.accept(listener)
          refusal(() => kernel.accept(namesake), 'EAGAIN')
          kernel.sendMessage(near, new Uint8Array([5]))
          assert.equal(take(kernel, far).text, '5')
          for (const fd of [listener, namesake, near, far]) kernel.close(fd)
          refusal(() => kernel.connect(name, { type }), 'ECONNREFUSED')
          kernel.close(kernel.listen(name, { type }))
          assert.deepEqual(
            kernel.list('/tmp').filter((entry) => place.endsWith(entry)),
            [],
          )
        }))

      it(`holds as many connections as the backlog says, and one: ${type}`, () =>
        withoutLeaks(host, async () => {
          const listener = kernel.listen(place, { type, backlog: 1 })
          kernel.unlink(place)
          refusal(() => kernel.connect(place, { type }), 'ENOENT')
          kernel.close(listener)
          const full = kernel.listen(place, { type, backlog: 1 })
          const ends = [kernel.connect(place, { type }), kernel.connect(place, { type })]
          refusal(() => kernel.connect(place, { type }), 'EAGAIN', /accept/)
          ends.push(kernel.accept(full), kernel.connect(place, { type }))
          kernel.close(full)
          const [, refused, accepted] = ends
          assert.equal(await kernel.poll(refused!, POLLIN | POLLOUT), POLLIN | POLLOUT | POLLERR | POLLHUP)
          refusal(() => take(kernel, refused!), 'ECONNRESET')
          assert.equal(take(kernel, refused!).text, '')
          assert.equal(await kernel.poll(accepted!, POLLIN | POLLOUT), POLLOUT)
          for (const fd of ends) kernel.close(fd)
          kernel.unlink(place)
        }))

      it(`tells of an end that was closed with something unread: ${type}`, () =>
        withoutLeaks(host, async () => {
          const { near, far } = connected(kernel, type, place)
          kernel.sendMessage(far, new Uint8Array([7, 7]))
          kernel.sendMessage(near, new Uint8Array([8]))
          kernel.close(far)
          const ended = POLLIN | POLLOUT | POLLHUP
          assert.equal(await kernel.poll(near, POLLIN | POLLOUT), ended | POLLERR)
          if (type === 'stream') {
            refusal(() => kernel.sendMessage(near, new Uint8Array([8])), 'EPIPE')
            assert.equal(take(kernel, near).text, '77')
            refusal(() => take(kernel, near), 'ECONNRESET')
          } else {
            refusal(() => kernel.sendMessage(near, new Uint8Array([8])), 'ECONNRESET')
            assert.equal(take(kernel, near).text, '77')
          }
          assert.equal(await kernel.poll(near, POLLIN | POLLOUT), ended)
          assert.equal(take(kernel, near).text, '')
          refusal(() => kernel.sendMessage(near, new Uint8Array([8])), 'EPIPE')
          kernel.close(near)
        }))

      it(`tells of an end that was closed when all was read: ${type}`, () =>
        withoutLeaks(host, async () => {
          const { near, far } = connected(kernel, type, place)
          kernel.sendMessage(far, new Uint8Array([7]))
          kernel.close(far)
          assert.equal(await kernel.poll(near, POLLIN), POLLIN | POLLHUP)
          refusal(() => kernel.sendMessage(near, new Uint8Array([8])), 'EPIPE')
          assert.equal(take(kernel, near).text, '7')
          assert.equal(take(kernel, near).text, '')
          kernel.close(near)
        }))

      it(`takes no more than there is room for, and tells when there is again: ${type}`, () =>
        withoutLeaks(host, async () => {
          const { near, far } = connected(kernel, type, place)
          const message = new Uint8Array(1000)
          let sent = 0
          while (outcome(() => kernel.sendMessage(near, message)) === 'sent') sent++
          assert.equal(
            outcome(() => kernel.sendMessage(near, message)),
            'EAGAIN',
          )
          assert.ok(sent > 20, `${sent} were sent`)
          const writable = kernel.poll(near, POLLOUT)
          const bytes = new Uint8Array(1000)
          for (let read = 0; read < sent; read++) {
            assert.equal(kernel.receiveMessage(far, bytes).byteLength, 1000)
          }
          assert.equal(await writable, POLLOUT)
          refusal(() => kernel.receiveMessage(far, bytes), 'EAGAIN')
          kernel.close(near)
          kernel.close(far)
        }))
    }

    it('glues what a stream carries, and never the descriptors of two messages', () =>
      withoutLeaks(host, () => {
        const { near, far } = connected(kernel, 'stream', place)
        const [first, second] = [kernel.eventfd(1), kernel.eventfd(2)]
        const send = (value: number, count: number, descriptors: number[] = []) =>
          kernel.sendMessage(near, new Uint8Array(count).fill(value), descriptors)
        send(1, 2)
        send(2, 3)
        send(3, 2, [first])
        send(4, 2, [first, second])
        send(5, 2)
        send(6, 1)
        assert.equal(take(kernel, far, 3).text, '112')
        const came = [take(kernel, far), take(kernel, far), take(kernel, far)]
        assert.deepEqual(
          came.map(({ text, descriptors }) => [text, descriptors.length]),
          [
            ['2233', 1],
            ['44', 2],
            ['556', 0],
          ],
        )
        const counts = came.flatMap(({ descriptors }) => descriptors)
        kernel.read(counts[0]!, new Uint8Array(8))
        // The same counter as the one that came before it.
        refusal(() => kernel.read(counts[1]!, new Uint8Array(8)), 'EAGAIN')
        // Descriptors come with the first byte of theirs that is read.
        send(3, 4, [first])
        send(4, 2)
        const parts = [take(kernel, far, 2), take(kernel, far)]
        assert.deepEqual(
          parts.map(({ text, descriptors }) => [text, descriptors.length]),
          [
            ['33', 1],
            ['3344', 0],
          ],
        )
        // read(2) lets them go.
        send(1, 2, [first])
        assert.equal(kernel.read(far, new Uint8Array(8)), 2)
        for (const fd of [near, far, first, second, ...counts, ...parts[0]!.descriptors]) kernel.close(fd)
      }))

    it('sends a part of what is too much for a stream, and descriptors with the first byte', () =>
      withoutLeaks(host, () => {
        const { near, far } = connected(kernel, 'stream', place)
        const fd = kernel.eventfd()
        const large = new Uint8Array(4 << 20).fill(1)
        const sent = kernel.sendMessage(near, large, [fd])
        assert.ok(sent > 0 && sent < large.byteLength, `${sent} bytes were sent`)
        refusal(() => kernel.sendMessage(near, large, [fd]), 'EAGAIN')
        const answer = new Uint8Array(large.byteLength)
        const head = kernel.receiveMessage(far, answer)
        assert.equal(head.descriptors.length, 1)
        let received = head.byteLength
        while (received < sent) {
          const { byteLength, descriptors } = kernel.receiveMessage(far, answer.subarray(received))
          assert.equal(descriptors.length, 0)
          received += byteLength
        }
        assert.deepEqual(answer.subarray(0, received), large.subarray(0, sent))
        for (const open of [near, far, fd, ...head.descriptors]) kernel.close(open)
      }))

    it('keeps the messages of a seqpacket apart, and refuses one that no buffer holds', () =>
      withoutLeaks(host, () => {
        const { near, far } = connected(kernel, 'seqpacket', place)
        kernel.sendMessage(near, new Uint8Array([1, 1]), [near, near])
        kernel.sendMessage(near, new Uint8Array([2, 2, 2]))
        kernel.sendMessage(near, new Uint8Array([3]))
        const { text, descriptors } = take(kernel, far)
        assert.deepEqual([text, descriptors.length], ['11', 2])
        const before = kernel.live().descriptors
        refusal(() => take(kernel, far, 2), 'EMSGSIZE', /more/)
        assert.equal(kernel.live().descriptors, before)
        assert.equal(take(kernel, far).text, '3')
        refusal(() => kernel.sendMessage(near, new Uint8Array(4 << 20)), 'EMSGSIZE')
        for (const fd of [near, far, ...descriptors]) kernel.close(fd)
      }))

    it('refuses what is no place for a socket', () =>
      withoutLeaks(host, () => {
        refusal(() => kernel.listen('/nowhere/at/all'), 'ENOENT')
        refusal(() => kernel.listen('/proc/self/status/socket'), 'ENOTDIR')
        refusal(() => kernel.listen('/sys/socket'), 'EPERM')
        refusal(() => kernel.listen('/proc/socket'), 'ENOENT')
        for (const there of ['/proc/self/status', '/tmp', '/'])
          refusal(() => kernel.listen(there), 'EADDRINUSE')
        for (const there of ['/proc/self/status', '/tmp', '/']) {
          refusal(() => kernel.connect(there), 'ECONNREFUSED')
        }
        const error = refusal(() => kernel.connect('/nowhere/at/all'), 'ENOENT')
        assert.deepEqual(
          [(error as { path?: string }).path, (error as { syscall?: string }).syscall],
          ['/nowhere/at/all', 'connect'],
        )
      }))

    it('refuses what is no socket, or not such a one', () =>
      withoutLeaks(host, () => {
        const listener = kernel.listen(place)
        refusal(() => kernel.connect(place, { type: 'seqpacket' }), 'EPROTOTYPE', /stream/)
        const one = new Uint8Array([1])
        refusal(() => kernel.sendMessage(listener, one), 'ENOTCONN')
        refusal(() => kernel.receiveMessage(listener, one), 'EINVAL')
        refusal(() => kernel.read(listener, one), 'EINVAL')
        refusal(() => kernel.write(listener, one), 'ENOTCONN')
        refusal(() => kernel.open(place, 0), 'ENXIO')
        refusal(() => kernel.list(place), 'ENOTDIR')
        refusal(() => kernel.mmap(listener, { byteLength: 4096 }), 'ENODEV')
        const near = kernel.connect(place)
        refusal(() => kernel.accept(near), 'EINVAL')
        const eventfd = kernel.eventfd()
        refusal(() => kernel.accept(eventfd), 'ENOTSOCK')
        refusal(() => kernel.sendMessage(eventfd, one, [9999]), 'ENOTSOCK')
        for (const fd of [listener, near, eventfd]) kernel.close(fd)
        refusal(() => kernel.accept(listener), 'EBADF')
        kernel.unlink(place)
      }))

    it('refuses names and options that cannot be, before anything happens', () =>
      withoutLeaks(host, () => {
        const names = ['', '\0', 'a\0b', '\0a\0b', `/tmp/${'x'.repeat(103)}`, `\0${'é'.repeat(54)}`, 7, null]
        for (const name of names as string[]) {
          refusal(() => kernel.listen(name), 'DMA_INVALID_ARGUMENT')
          refusal(() => kernel.connect(name), 'DMA_INVALID_ARGUMENT')
        }
        for (const options of [{ type: 'datagram' }, { typo: 'stream' }, 3] as never[]) {
          refusal(() => kernel.listen(place, options), 'DMA_INVALID_ARGUMENT')
          refusal(() => kernel.connect(place, options), 'DMA_INVALID_ARGUMENT')
        }
        for (const backlog of [-1, 0.5, 2 ** 31]) {
          refusal(() => kernel.listen(place, { backlog }), 'DMA_INVALID_ARGUMENT')
        }
        const longest = `\0${'x'.repeat(107)}`
        kernel.close(kernel.listen(longest))
        const path = `/tmp/${'x'.repeat(102)}`
        kernel.close(kernel.listen(path))
        kernel.unlink(path)
      }))

    it('takes away files, and what is none is refused', () =>
      withoutLeaks(host, () => {
        for (const folder of ['/tmp', '/', '/sys/bus']) refusal(() => kernel.unlink(folder), 'EISDIR')
        refusal(() => kernel.unlink('/proc/self/status/x'), 'ENOTDIR')
        refusal(() => kernel.unlink('/nowhere/x'), 'ENOENT')
        refusal(() => kernel.unlink('/proc/self/status'), 'EPERM')
        refusal(() => kernel.unlink('/sys/bus/pci/drivers_probe'), 'EPERM')
        refusal(() => kernel.unlink(''), 'DMA_INVALID_ARGUMENT')
      }))

    it('takes a descriptor from a process', () =>
      withoutLeaks(host, () => {
        const pid = Number(kernel.readLink('/proc/self'))
        const fd = kernel.memfd('taken', { byteLength: 4096 })
        kernel.write(fd, new Uint8Array([6]), 0)
        const self = kernel.pidfdOpen(pid)
        const taken = kernel.pidfdGetfd(self, fd)
        kernel.close(fd)
        const bytes = new Uint8Array(1)
        kernel.read(taken, bytes, 0)
        assert.equal(bytes[0], 6)
        refusal(() => kernel.pidfdGetfd(self, fd), 'EBADF')
        refusal(() => kernel.pidfdGetfd(taken, self), 'EBADF')
        refusal(() => kernel.pidfdOpen(0x7fffffff), 'ESRCH', /process/)
        refusal(() => kernel.pidfdOpen(0), 'DMA_INVALID_ARGUMENT')
        refusal(() => kernel.read(self, new Uint8Array(8)), 'EINVAL')
        refusal(() => kernel.ioctl(self, 0x1234, 0), 'ENOTTY')
        kernel.close(taken)
        kernel.close(self)
        refusal(() => kernel.pidfdGetfd(self, 0), 'EBADF')
      }))

    if (runProcess) {
      it('shares with a process that it did not start with anything, until that is killed', async () => {
        const { status, output } = await runProcess(twoProcesses)
        assert.equal(output, 'shared\n')
        assert.equal(status, 0)
      })
    } else
      skip('shares with a process that it did not start with anything', 'the fake machine has one process')
  })
}

/** Two ends of a connection; nothing else of it is left. */
function connected(kernel: Kernel, type: SocketType, place: string): { near: number; far: number } {
  const name = `\0${place}`
  const listener = kernel.listen(name, { type })
  const near = kernel.connect(name, { type })
  const far = kernel.accept(listener)
  kernel.close(listener)
  return { near, far }
}

/** What has arrived, each byte as a digit. */
function take(kernel: Kernel, fd: number, byteLength = 64): { text: string; descriptors: number[] } {
  const bytes = new Uint8Array(byteLength)
  const message = kernel.receiveMessage(fd, bytes)
  return { text: bytes.subarray(0, message.byteLength).join(''), descriptors: message.descriptors }
}

function outcome(send: () => number): string | undefined {
  try {
    send()
    return 'sent'
  } catch (error) {
    return (error as { code?: string }).code
  }
}
