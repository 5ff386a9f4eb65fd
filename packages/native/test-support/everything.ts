import { tmpdir } from 'node:os'
import { threadId } from 'node:worker_threads'
import { POLLIN } from '../src/constants'
import type { DmaError } from '../src/errors'
import type { Kernel } from '../src/kernel'

/** Remembers how to give back what was acquired; a release that a fault has stopped is tried again. */
class Releases {
  readonly #releases: (() => void)[] = []

  add(release: () => void): void {
    this.#releases.push(release)
  }

  run(): void {
    let first: unknown
    for (const release of this.#releases.reverse()) {
      try {
        release()
      } catch (error) {
        first ??= error
        try {
          release()
        } catch (again) {
          // A descriptor is gone after its close, whatever close said.
          if ((again as DmaError).code !== 'EBADF') throw again
        }
      }
    }
    if (first !== undefined) throw first
  }
}

/** Every verb that makes a system call in native code, once or more. */
export async function useEverything(kernel: Kernel): Promise<void> {
  const PAGE = kernel.pageSize
  const releases = new Releases()
  const owned = (fd: number) => {
    releases.add(() => kernel.close(fd))
    return fd
  }
  const mapped = <Mapping extends { close(): void }>(mapping: Mapping) => {
    releases.add(() => mapping.close())
    return mapping
  }
  try {
    owned(kernel.open('/dev/null', 0))
    const bytes = new Uint8Array(8)
    const memory = owned(kernel.memfd('memory', { byteLength: 4 * PAGE }))
    kernel.addSeals(memory, kernel.getSeals(memory))
    kernel.write(memory, bytes)
    kernel.read(memory, bytes)
    kernel.write(memory, bytes, PAGE)
    kernel.read(memory, bytes, PAGE)
    owned(kernel.pidfdGetfd(owned(kernel.pidfdOpen(process.pid)), owned(kernel.duplicate(memory))))
    const place = `${tmpdir()}/linux-dma-${process.pid}-${threadId}`
    const listener = owned(kernel.listen(place))
    releases.add(() => kernel.unlink(place))
    owned(kernel.connect(place))
    owned(kernel.accept(listener))
    const [left, right] = kernel.socketPair()
    owned(left)
    owned(right)
    kernel.sendMessage(left, bytes, [memory])
    kernel.ioctl(right, 0x541b, new Uint8Array(4), 'FIONREAD')
    for (const fd of kernel.receiveMessage(right, bytes).descriptors) owned(fd)
    mapped(kernel.mmap(memory, { byteLength: PAGE }))
    const mapping = mapped(kernel.mmap(memory, { byteLength: 4 * PAGE }))
    mapping.bytes[0] = 1
    kernel.mlock(mapping)
    kernel.munlock(mapping)
    const pin = kernel.pin(mapping)
    releases.add(() => pin.close())
    kernel.readPagemap(mapping.address, new BigUint64Array(4))
    mapped(kernel.mapRegisters(memory, { byteLength: PAGE })).read64(8)
    const counter = owned(kernel.eventfd(1))
    await firstCount(kernel, counter)
    const poll = kernel.poll(counter, POLLIN)
    // Where the write below fails, the poll ends with the descriptor, and nobody waits for it.
    poll.catch(() => {})
    kernel.write(counter, new Uint8Array(new BigUint64Array([1n]).buffer))
    await poll
  } finally {
    releases.run()
  }
}

/** The first value that a watch of a counter gives. */
export function firstCount(of: Kernel, fd: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const watch = of.watch(fd, 8, {
      onCount(count) {
        watch.close()
        resolve(count)
      },
      onError: reject,
    })
  })
}
