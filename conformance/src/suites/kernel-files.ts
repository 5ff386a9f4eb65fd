import assert from 'node:assert/strict'
import { O_RDONLY, O_RDWR } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

/** Descriptors, sysfs and procfs. */
export function kernelFiles({ describe, it }: Runner, host: Host): void {
  const { kernel, edu } = host

  describe('kernel files', () => {
    it('reads, lists and follows links in sysfs', () =>
      withoutLeaks(host, () => {
        const device = `/sys/bus/pci/devices/${edu}`
        assert.equal(kernel.readText(`${device}/vendor`), '0x1234\n')
        assert.equal(kernel.readText(`${device}/device`), '0x11e8\n')
        assert.match(kernel.readLink(`${device}/driver`), /(^|\/)bus\/pci\/drivers\/vfio-pci$/)
        assert.match(kernel.readLink(`${device}/iommu_group`), /kernel\/iommu_groups\/\d+$/)
        assert.ok(kernel.list('/sys/bus/pci/devices').includes(edu))
        assert.ok(kernel.list('/sys/bus/pci/drivers/vfio-pci').includes(edu))
        const names = kernel.list(device)
        assert.deepEqual(names, [...names].sort())
      }))

    it('fails with the errno and the path', () =>
      withoutLeaks(host, () => {
        const missing = '/sys/bus/pci/devices/9999:00:00.0/vendor'
        for (const action of [
          () => kernel.readText(missing),
          () => kernel.writeText(missing, '1'),
          () => kernel.list(missing),
          () => kernel.readLink(missing),
          () => kernel.open(missing, O_RDONLY),
        ]) {
          const error = refusal(action, 'ENOENT') as Error & {
            path?: string
            errno?: number
            syscall?: string
          }
          assert.equal(error.path, missing)
          assert.equal(error.errno, -2)
          assert.equal(typeof error.syscall, 'string')
        }
        refusal(() => kernel.readText('/sys/bus/pci/devices'), 'EISDIR')
        refusal(() => kernel.list('/proc/self/status'), 'ENOTDIR')
        refusal(() => kernel.readLink('/proc/self/status'), 'EINVAL')
      }))

    it('refuses descriptors that are not open, and requests a file does not know', () =>
      withoutLeaks(host, () => {
        const fd = kernel.open('/dev/vfio/vfio', O_RDWR)
        // A container without an IOMMU answers EINVAL to what it does not know, where other files answer ENOTTY.
        refusal(() => kernel.ioctl(fd, 0x1234, 0), 'EINVAL')
        const eventfd = kernel.eventfd()
        refusal(() => kernel.ioctl(eventfd, 0x1234, 0), 'ENOTTY')
        kernel.close(eventfd)
        kernel.close(fd)
        const bytes = new Uint8Array(8)
        for (const action of [
          () => kernel.close(fd),
          () => kernel.read(fd, bytes),
          () => kernel.write(fd, bytes),
          () => kernel.ioctl(fd, 0x3b64, 0),
          () => kernel.getSeals(fd),
          () => kernel.mmap(fd, { byteLength: 4096 }),
        ]) {
          refusal(action, 'EBADF')
        }
      }))

    it('refuses arguments of the wrong kind before any system call', () =>
      withoutLeaks(host, () => {
        const senseless = [-1, 0.5, Number.NaN, 2 ** 31, '3', null, undefined, {}]
        for (const fd of senseless as number[]) {
          refusal(() => kernel.close(fd), 'DMA_INVALID_ARGUMENT')
          refusal(() => kernel.read(fd, new Uint8Array(1)), 'DMA_INVALID_ARGUMENT')
          refusal(() => kernel.ioctl(fd, 1), 'DMA_INVALID_ARGUMENT')
        }
        const fd = kernel.eventfd()
        for (const bytes of [undefined, null, 'text', new ArrayBuffer(8), [1, 2]] as never[]) {
          refusal(() => kernel.read(fd, bytes), 'DMA_INVALID_ARGUMENT')
          refusal(() => kernel.write(fd, bytes), 'DMA_INVALID_ARGUMENT')
        }
        const detached = new Uint8Array(8)
        structuredClone(detached.buffer, { transfer: [detached.buffer] })
        refusal(() => kernel.read(fd, detached), 'DMA_INVALID_ARGUMENT')
        kernel.close(fd)
      }))
  })
}
