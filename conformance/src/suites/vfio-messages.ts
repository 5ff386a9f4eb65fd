import assert from 'node:assert/strict'
import type { FileDescriptor, Kernel } from '@linux-dma/native'
import { EDU_ACKNOWLEDGE, EDU_RAISE, settle } from '../edu'
import type { Host, Runner } from '../host'
import { NvmeAdminQueue } from '../nvme-admin-queue'
import { call, mapArgument, withContainer, words } from '../raw-vfio'
import { withoutLeaks } from '../with-device'

const MSI = 1
const MSIX = 2
const NOBODY = -1
const QUEUES = 0x10_0000
/** The region of configuration space, and the command register in it: memory is decoded, and the bus mastered. */
const COMMAND = 7 * 2 ** 40 + 4
const MEMORY_AND_MASTER = 6

/** What is done with vector 0 of a device before an eventfd is set for it. */
interface Vector {
  /** The device sends a message. */
  send(): Promise<void>
  listen(fd: FileDescriptor | typeof NOBODY): void
  disable(): void
  readonly eventfd: FileDescriptor
}

const scenes: readonly {
  name: string
  before: (vector: Vector) => Promise<void>
  /** What the eventfd counts then. */
  msi: bigint | 'EAGAIN'
  msix: bigint | 'EAGAIN'
}[] = [
  {
    name: 'remembers one of two messages that came before anybody ever listened',
    before: async ({ send, listen }) => {
      listen(NOBODY)
      await send()
      await send()
    },
    msi: 1n,
    msix: 1n,
  },
  {
    name: 'remembers a message that came after somebody had listened where the device masks its vector',
    before: async ({ send, listen, eventfd }) => {
      listen(eventfd)
      listen(NOBODY)
      await send()
    },
    msi: 'EAGAIN',
    msix: 1n,
  },
  {
    name: 'remembers a message over being switched off where the device remembers it',
    before: async ({ send, listen, disable }) => {
      listen(NOBODY)
      await send()
      disable()
    },
    msi: 'EAGAIN',
    msix: 1n,
  },
  {
    name: 'knows of no message from before it was switched on',
    before: async ({ send, listen, disable, eventfd }) => {
      await send()
      listen(eventfd)
      disable()
      await send()
    },
    msi: 'EAGAIN',
    msix: 'EAGAIN',
  },
]

/** Interrupt messages that come while nobody listens to them, with no package between. */
export function vfioMessages({ describe, it }: Runner, host: Host): void {
  const { kernel, edu, nvme } = host

  describe('vfio messages', () => {
    for (const { name, before, msi, msix } of scenes) {
      it(`msi ${name}`, () =>
        withVector(kernel, { address: edu, index: MSI }, async (device, vector) => {
          const send = async () => {
            write32(kernel, device, EDU_RAISE, 1)
            await settle(kernel)
            write32(kernel, device, EDU_ACKNOWLEDGE, 1)
          }
          await before({ ...vector, send })
          assert.equal(await countAfter(vector), msi)
        }))

      it(`msix ${name}`, () =>
        withVector(kernel, { address: nvme, index: MSIX }, async (device, vector, queues) => {
          const queue = new NvmeAdminQueue(kernel, device, { name: nvme, bytes: queues, address: QUEUES })
          const send = async () => {
            queue.submit()
            await settle(kernel)
            assert.ok(queue.completed)
          }
          await before({ ...vector, send })
          assert.equal(await countAfter(vector), msix)
        }))
    }
  })

  async function countAfter({
    listen,
    eventfd,
  }: Pick<Vector, 'listen' | 'eventfd'>): Promise<bigint | string> {
    listen(eventfd)
    await settle(kernel)
    const count = new BigUint64Array(1)
    try {
      kernel.read(eventfd, new Uint8Array(count.buffer))
      return count[0]!
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  function withVector(
    kernel: Kernel,
    { address, index }: { address: string; index: number },
    test: (device: FileDescriptor, vector: Omit<Vector, 'send'>, queues: Uint8Array) => Promise<void>,
  ): Promise<void> {
    return withoutLeaks(host, () =>
      withContainer(kernel, address, async ({ container, device }) => {
        kernel.write(device, new Uint8Array(Uint16Array.of(MEMORY_AND_MASTER).buffer), COMMAND)
        const memory = kernel.memfd('queues', { byteLength: 2 * kernel.pageSize })
        using queues = kernel.mmap(memory, { byteLength: 2 * kernel.pageSize })
        kernel.close(memory)
        const { byteLength } = queues
        const argument = mapArgument(queues.address, BigInt(QUEUES), BigInt(byteLength))
        assert.equal(call(kernel, container, 'IOMMU_MAP_DMA', argument), 0)
        const eventfd = kernel.eventfd()
        const setIrqs = (...values: number[]) =>
          assert.equal(call(kernel, device, 'DEVICE_SET_IRQS', words(4 * (values.length + 1), ...values)), 0)
        try {
          await test(
            device,
            {
              eventfd,
              listen: (fd) => setIrqs(4 | 32, index, 0, 1, fd),
              disable: () => setIrqs(1 | 32, index, 0, 0),
            },
            queues.bytes,
          )
        } finally {
          kernel.close(eventfd)
        }
      }),
    )
  }
}

function write32(kernel: Kernel, device: FileDescriptor, byteOffset: number, value: number): void {
  kernel.write(device, new Uint8Array(Uint32Array.of(value).buffer), byteOffset)
}
