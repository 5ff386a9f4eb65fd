import assert from 'node:assert/strict'
import { F_SEAL_WRITE, O_RDWR } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { call, groupPath, mapArgument, text, unmap, withContainer, words } from '../raw-vfio'
import { refusal, withoutLeaks } from '../with-device'

const MiB = 1n << 20n

/** What VFIO itself answers, to the errno, with no package between. */
export function vfioErrnos({ describe, it }: Runner, host: Host): void {
  const { kernel, edu } = host
  const page = BigInt(kernel.pageSize)

  describe('vfio errnos', () => {
    it('container: versions and extensions', () =>
      withoutLeaks(host, () => {
        const container = kernel.open('/dev/vfio/vfio', O_RDWR)
        assert.equal(call(kernel, container, 'GET_API_VERSION'), 0)
        const extensions = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) =>
          call(kernel, container, 'CHECK_EXTENSION', n),
        )
        assert.deepEqual(extensions, [1, 0, 1, 0, 0, 1, 0, 0, 1, 0])
        kernel.close(container)
      }))

    it('order: nothing works before a group is in the container', () =>
      withoutLeaks(host, () => {
        const container = kernel.open('/dev/vfio/vfio', O_RDWR)
        const path = groupPath(kernel, edu)
        const group = kernel.open(path, O_RDWR)
        refusal(() => kernel.open(path, O_RDWR), 'EBUSY')
        assert.equal(call(kernel, container, 'IOMMU_MAP_DMA', mapArgument(0, MiB, page)), 'EINVAL')
        assert.equal(call(kernel, container, 'SET_IOMMU', 3), 'EINVAL')
        assert.equal(call(kernel, group, 'GROUP_GET_DEVICE_FD', text(edu)), 'EINVAL')
        const status = words(8, 0)
        assert.equal(call(kernel, group, 'GROUP_GET_STATUS', status), 0)
        assert.equal(status[4], 1)
        assert.equal(call(kernel, group, 'GROUP_SET_CONTAINER', words(container)), 0)
        assert.equal(call(kernel, group, 'GROUP_GET_STATUS', status), 0)
        assert.equal(status[4], 3)
        assert.equal(call(kernel, group, 'GROUP_SET_CONTAINER', words(container)), 'EINVAL')
        assert.equal(call(kernel, container, 'SET_IOMMU', 99), 'ENODEV')
        assert.equal(call(kernel, container, 'SET_IOMMU', 3), 0)
        assert.equal(call(kernel, container, 'SET_IOMMU', 8), 'EINVAL')
        assert.equal(call(kernel, group, 'GROUP_GET_DEVICE_FD', text('0000:00:1e.7')), 'ENODEV')
        const device = call(kernel, group, 'GROUP_GET_DEVICE_FD', text(edu)) as number
        assert.ok(device > 0)
        assert.equal(call(kernel, group, 'GROUP_UNSET_CONTAINER'), 'EBUSY')
        kernel.close(device)
        assert.equal(call(kernel, group, 'GROUP_UNSET_CONTAINER'), 0)
        kernel.close(group)
        kernel.close(container)
      }))

    it('container: its IOMMU’s page sizes, address ranges and mappings to be had', () =>
      withoutLeaks(host, () =>
        withContainer(kernel, edu, ({ container }) => {
          const small = words(24, 0, 0, 0, 0, 0)
          assert.equal(call(kernel, container, 'IOMMU_GET_INFO', small), 0)
          const needed = new DataView(small.buffer).getUint32(0, true)
          assert.ok(needed > 24)
          const bytes = new Uint8Array(needed)
          const view = new DataView(bytes.buffer)
          view.setUint32(0, needed, true)
          assert.equal(call(kernel, container, 'IOMMU_GET_INFO', bytes), 0)
          assert.equal(view.getUint32(4, true), 3)
          assert.ok(view.getBigUint64(8, true) & page, 'base pages must be among the page sizes')
          const found = new Map<number, number>()
          for (let at = view.getUint32(16, true); at; at = view.getUint32(at + 4, true)) {
            found.set(view.getUint16(at, true), at)
          }
          assert.deepEqual([...found.keys()].sort(), [1, 2, 3])
          assert.equal(view.getUint32(found.get(3)! + 8, true), 65535)
          const ranges = found.get(1)!
          assert.equal(view.getUint32(ranges + 8, true), 2)
          assert.deepEqual(
            [16, 24, 32].map((at) => view.getBigUint64(ranges + at, true)),
            [0n, 0xfedf_ffffn, 0xfef0_0000n],
          )
        }),
      ))

    it('mapping: what is refused, and as what', () =>
      withoutLeaks(host, () =>
        withContainer(kernel, edu, ({ container }) => {
          const fd = kernel.memfd('conformance', { byteLength: 64 * kernel.pageSize })
          const memory = kernel.mmap(fd, { byteLength: 64 * kernel.pageSize })
          const readOnly = kernel.mmap(fd, { byteLength: kernel.pageSize, access: 'read' })
          const { address } = memory
          const map = (...args: Parameters<typeof mapArgument>) =>
            call(kernel, container, 'IOMMU_MAP_DMA', mapArgument(...args))
          assert.equal(map(address, MiB, 16n * page), 0)
          assert.equal(map(address, MiB, 16n * page), 'EEXIST')
          assert.equal(map(address, MiB + 15n * page, 2n * page), 'EEXIST')
          assert.equal(map(address, 2n * MiB, 16n * page), 0, 'the same memory at another address')
          assert.equal(map(address, MiB * 4n + 1n, page), 'EINVAL')
          assert.equal(map(address + 1, MiB * 4n, page), 'EINVAL')
          assert.equal(map(address, MiB * 4n, page + 1n), 'EINVAL')
          assert.equal(map(address, MiB * 4n, 0n), 'EINVAL')
          assert.equal(map(address, MiB * 4n, page, { flags: 0 }), 'EINVAL')
          assert.equal(map(address, MiB * 4n, page, { flags: 8 }), 'EINVAL')
          assert.equal(map(address, MiB * 4n, page, { argsz: 8 }), 'EINVAL')
          assert.equal(map(address, (1n << 64n) - page, 2n * page), 'EINVAL')
          assert.equal(map(address, 0xfee0_0000n, page), 'EINVAL', 'the interrupt window')
          assert.equal(map(address, 1n << 62n, page), 'EINVAL', 'above the aperture')
          assert.equal(map(address, 0n, page), 0, 'address 0 is legal')
          assert.equal(unmap(kernel, container, 0n, page), page)
          assert.equal(map(readOnly.address, MiB * 4n, page), 'EFAULT', 'writing through a read-only mapping')
          assert.equal(map(readOnly.address, MiB * 4n, page, { flags: 1 }), 0)
          assert.equal(map(0x1000, MiB * 5n, page), 'EFAULT', 'nothing is mapped there')
          refusal(() => kernel.addSeals(fd, F_SEAL_WRITE), 'EBUSY')
          readOnly.close()
          memory.close()
          kernel.close(fd)
        }),
      ))

    it('unmapping: whole mappings or none', () =>
      withoutLeaks(host, () =>
        withContainer(kernel, edu, ({ container }) => {
          const fd = kernel.memfd('conformance', { byteLength: 16 * kernel.pageSize })
          const memory = kernel.mmap(fd, { byteLength: 16 * kernel.pageSize })
          for (const iova of [MiB, 2n * MiB]) {
            assert.equal(
              call(kernel, container, 'IOMMU_MAP_DMA', mapArgument(memory.address, iova, 16n * page)),
              0,
            )
          }
          assert.equal(unmap(kernel, container, MiB, 8n * page), 'EINVAL', 'half of a mapping')
          assert.equal(unmap(kernel, container, MiB, 2n * MiB), 32n * page, 'two mappings in one range')
          assert.equal(unmap(kernel, container, MiB, 16n * page), 0n, 'nothing there')
          assert.equal(unmap(kernel, container, MiB, 0n), 'EINVAL')
          assert.equal(unmap(kernel, container, MiB + 1n, page), 'EINVAL')
          assert.equal(unmap(kernel, container, page, 0n, 2), 'EINVAL', 'all, but with an address')
          assert.equal(unmap(kernel, container, 0n, 0n, 2), 0n, 'all of nothing')
          assert.equal(
            call(kernel, container, 'IOMMU_MAP_DMA', mapArgument(memory.address, MiB, 16n * page)),
            0,
          )
          assert.equal(unmap(kernel, container, 0n, 0n, 2), 16n * page)
          memory.close()
          kernel.close(fd)
        }),
      ))

    it('device: regions, interrupts and reset', () =>
      withoutLeaks(host, () =>
        withContainer(kernel, edu, ({ device }) => {
          const info = words(20, 0, 0, 0, 0)
          assert.equal(call(kernel, device, 'DEVICE_GET_INFO', info), 0)
          assert.deepEqual([...new Uint32Array(info.buffer)].slice(1, 4), [2, 9, 5])
          const region = (index: number) => {
            const argument = words(32, 0, index, 0, 0, 0, 0, 0)
            const result = call(kernel, device, 'DEVICE_GET_REGION_INFO', argument)
            const view = new DataView(argument.buffer)
            return (
              result || [view.getUint32(4, true), view.getBigUint64(16, true), view.getBigUint64(24, true)]
            )
          }
          assert.deepEqual(region(0), [7, 0x10_0000n, 0n])
          assert.deepEqual(region(7), [3, 0x100n, 7n << 40n])
          assert.deepEqual((region(1) as unknown[])[1], 0n)
          assert.equal(region(8), 'EINVAL')
          const irq = (index: number) => {
            const argument = words(16, 0, index, 0)
            const result = call(kernel, device, 'DEVICE_GET_IRQ_INFO', argument)
            const [, flags, , count] = new Uint32Array(argument.buffer)
            return result || [flags, count]
          }
          assert.deepEqual(
            [irq(0), irq(1), irq(2)],
            [
              [7, 1],
              [9, 1],
              [9, 0],
            ],
          )
          assert.equal(call(kernel, device, 'DEVICE_RESET'), 'EINVAL')
          const eventfd = kernel.eventfd()
          const setIrqs = (...values: number[]) =>
            call(kernel, device, 'DEVICE_SET_IRQS', words(4 + values.length * 4, ...values))
          assert.equal(setIrqs(0x24, 1, 0, 2, eventfd, eventfd), 'EINVAL', 'more vectors than there are')
          assert.equal(setIrqs(0x24, 1, 0, 1, eventfd), 0)
          assert.equal(setIrqs(0x21, 1, 0, 0), 0)
          assert.equal(setIrqs(0x24, 9, 0, 1, eventfd), 'EINVAL', 'no such interrupt')
          assert.equal(setIrqs(0x04, 1, 0, 1, eventfd), 'ENOTTY', 'no action')
          kernel.close(eventfd)
          const bytes = new Uint8Array(4)
          assert.equal(kernel.read(device, bytes, 0), 4)
          assert.deepEqual([...bytes], [0xed, 0, 0, 1])
        }),
      ))

    it('group: stays in its container while registers are mapped', () =>
      withoutLeaks(host, () =>
        withContainer(kernel, edu, ({ group, device }) => {
          const registers = kernel.mapRegisters(device, { byteLength: 4096 })
          kernel.close(device)
          assert.equal(call(kernel, group, 'GROUP_UNSET_CONTAINER'), 'EBUSY')
          registers.close()
          assert.equal(call(kernel, group, 'GROUP_UNSET_CONTAINER'), 0)
        }),
      ))
  })
}
