import assert from 'node:assert/strict'
import { bindDriver, PCI_DEVICES, readPciBars, readPciCommand, readPciDevice } from '@linux-dma/pci'
import { listUioDevices } from '@linux-dma/uio'
import { openVfioDevice } from '@linux-dma/vfio'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

/** A PCI device on its way from driver to driver. */
export function pciDrivers({ describe, it }: Runner, host: Host): void {
  const { kernel, edu, shared } = host
  const state = stateOf(host)

  describe('pci drivers', () => {
    it('gives a device from one to the next and back', () =>
      withoutLeaks(host, () => {
        const found = state(edu)
        const { override } = found
        assert.equal(found.driver, 'vfio-pci')
        assert.equal(bindDriver(edu, 'uio_pci_generic', { kernel }), 'vfio-pci')
        assert.deepEqual(state(edu), { driver: 'uio_pci_generic', override, uio: 1 })
        assert.equal(bindDriver(edu, 'uio_pci_generic', { kernel }), 'uio_pci_generic')
        assert.equal(bindDriver(edu, 'vfio-pci', { kernel }), 'uio_pci_generic')
        assert.deepEqual(state(edu), found)
        assert.equal(bindDriver(edu, null, { kernel }), 'vfio-pci')
        assert.deepEqual(state(edu), { driver: undefined, override, uio: 0 })
        assert.equal(bindDriver(edu, null, { kernel }), undefined)
        assert.equal(bindDriver(edu, 'vfio-pci', { kernel }), undefined)
        assert.deepEqual(state(edu), found)
      }))

    it('leaves what an administrator set for a device as it is', () =>
      withoutLeaks(host, () => {
        const found = state(edu)
        const file = `${PCI_DEVICES}/${edu}/driver_override`
        try {
          for (const override of ['none', 'uio_pci_generic', '(null)']) {
            kernel.writeText(file, override === '(null)' ? '\n' : override)
            for (const driver of ['uio_pci_generic', null, 'vfio-pci']) {
              bindDriver(edu, driver, { kernel })
              const { uio: _, ...now } = state(edu)
              assert.deepEqual(now, { driver: driver ?? undefined, override })
            }
          }
        } finally {
          kernel.writeText(file, found.override === '(null)' ? '\n' : found.override)
        }
        assert.deepEqual(state(edu), found)
      }))

    it('does so again and again', () =>
      withoutLeaks(host, () => {
        for (let i = 0; i < 10; i++) {
          bindDriver(edu, 'uio_pci_generic', { kernel })
          bindDriver(edu, 'vfio-pci', { kernel })
          using device = openVfioDevice(edu, { kernel })
          assert.equal(device.bar(0).read32(0), 0x0100_00ed)
        }
      }))

    it('refuses a driver, a device or a name that there is not, and changes nothing', () =>
      withoutLeaks(host, () => {
        const found = state(edu)
        refusal(() => bindDriver(edu, 'igb_uio', { kernel }), 'DMA_NO_DRIVER', /modprobe igb_uio/)
        refusal(() => bindDriver('0000:00:1e.7', 'vfio-pci', { kernel }), 'DMA_NO_DEVICE', /lspci/)
        for (const name of ['', '../vfio-pci', 'vfio-pci\n', 'vfio-pci ', '\0', 4, undefined]) {
          refusal(() => bindDriver(edu, name as string, { kernel }), 'DMA_INVALID_ARGUMENT')
        }
        refusal(() => bindDriver('edu', 'vfio-pci', { kernel }), 'DMA_INVALID_ARGUMENT', /lspci -D/)
        assert.deepEqual(state(edu), found)
      }))

    it('refuses to take a device that this process has open, which would wait for ever', () =>
      withoutLeaks(host, () => {
        const found = state(edu)
        {
          using device = openVfioDevice(edu, { kernel })
          refusal(() => bindDriver(edu, 'uio_pci_generic', { kernel }), 'DMA_ALREADY_OPEN', /close\(\)/)
          assert.equal(device.bar(0).read32(0), 0x0100_00ed)
        }
        assert.deepEqual(state(edu), found)
      }))

    it('leaves a device as it was that the driver refuses: VFIO has its group', () =>
      withoutLeaks(host, () => {
        bindDriver(shared.first, 'vfio-pci', { kernel })
        try {
          const found = state(shared.second)
          {
            using _first = openVfioDevice(shared.first, { kernel })
            const { message } = refusal(
              () => bindDriver(shared.second, shared.otherDriver, { kernel }),
              'DMA_NOT_BOUND',
              /dmesg/,
            )
            assert.match(message, /EBUSY/)
            assert.deepEqual(state(shared.second), found)
          }
          assert.equal(bindDriver(shared.second, shared.otherDriver, { kernel }), undefined)
          bindDriver(shared.second, null, { kernel })
          assert.deepEqual(state(shared.second), found)
        } finally {
          bindDriver(shared.first, null, { kernel })
        }
      }))

    it('is the administrator’s', async () => {
      const found = state(edu)
      const { code, hint, succeeded, leaked } = await host.asUser('bindToUio', {
        ownsGroup: true,
        memlockBytes: 1 << 20,
      })
      assert.deepEqual([succeeded, code, leaked], [1, 'EACCES', 0])
      assert.match(hint ?? '', /as root: modprobe uio_pci_generic && echo uio_pci_generic > .*drivers_probe/)
      assert.deepEqual(state(edu), found)
    })

    it('reads what a device is, without opening it', () =>
      withoutLeaks(host, () => {
        const { iommuGroup, ...device } = readPciDevice(kernel, host.nvme)
        assert.match(iommuGroup ?? '', /^\d+$/)
        assert.deepEqual(device, {
          address: host.nvme,
          vendorId: 0x1b36,
          deviceId: 0x0010,
          classCode: 0x010802,
          driver: 'vfio-pci',
          iommuType: 'DMA-FQ',
        })
        const [bar, ...others] = readPciBars(kernel, host.nvme)
        assert.deepEqual(others, [])
        assert.deepEqual(
          { ...bar, address: undefined },
          {
            index: 0,
            address: undefined,
            byteLength: 16384,
            kind: 'memory',
            is64Bit: true,
            prefetchable: false,
          },
        )
        assert.deepEqual(readPciCommand(kernel, host.nvme), { busMaster: false, intxDisabled: false })
      }))
  })
}

/** Where vfio-pci takes no device. */
export function pciDriversWithoutIommu({ describe, it }: Runner, host: Host): void {
  const { kernel, edu } = host
  const state = stateOf(host)

  describe('pci drivers without an IOMMU', () => {
    for (const before of ['uio_pci_generic', null]) {
      it(`leaves a device as it was that the driver refuses: ${before ?? 'none'} had it`, () =>
        withoutLeaks(host, () => {
          bindDriver(edu, before, { kernel })
          try {
            const found = state(edu)
            const { message } = refusal(
              () => bindDriver(edu, 'vfio-pci', { kernel }),
              'DMA_NOT_BOUND',
              /intel_iommu=on/,
            )
            assert.match(message, /EINVAL/)
            assert.deepEqual(state(edu), found)
          } finally {
            bindDriver(edu, null, { kernel })
          }
        }))
    }

    it('is in no group', () => {
      const { iommuGroup, iommuType } = readPciDevice(kernel, edu)
      assert.deepEqual([iommuGroup, iommuType], [undefined, undefined])
    })
  })
}

/** Who has a device, what was set by hand, and how many UIO devices it is. */
function stateOf({ kernel }: Host) {
  return (address: string) => ({
    driver: readPciDevice(kernel, address).driver,
    override: kernel.readText(`${PCI_DEVICES}/${address}/driver_override`).trim(),
    uio: listUioDevices({ kernel }).filter(({ pci }) => pci?.address === address).length,
  })
}
