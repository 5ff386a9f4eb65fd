import assert from 'node:assert/strict'
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { SOCKET_TYPES, socketPlace, take } from '../sockets'
import { refusal, withoutLeaks } from '../with-device'

/** Sockets with a name: listening, connecting, and what is no place or no name for one. */
export function kernelSockets({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const place = socketPlace(host)

  describe('kernel sockets', () => {
    for (const type of SOCKET_TYPES) {
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
    }

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
  })
}
