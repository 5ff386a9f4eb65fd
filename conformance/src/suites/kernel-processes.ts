import assert from 'node:assert/strict'
import { F_SEAL_SHRINK } from '@linux-dma/native'
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

/** Descriptors of one's own and of other processes. */
export function kernelProcesses({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, runProcess } = host

  describe('kernel processes', () => {
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
