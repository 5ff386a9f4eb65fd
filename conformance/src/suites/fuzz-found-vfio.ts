import { type KnownStep, replays } from '../fuzz/replay'
import type { Host, Runner } from '../host'

const device = { of: 'device', index: 0 }
const container = { of: 'container', index: 0 }
const anEventfd = { of: 'eventfd', index: 0 }
const refused = (code: string, request: string) => ({ code, syscall: `ioctl(${request})` })

const start = { from: 'low', page: 0, off: 0 }
const onePage = { pages: 1, off: 0 }
const bitmap = { unit: 4096, more: 0, at: 'bitmap' }
const mapOne = {
  container,
  argsz: 32,
  flags: 3,
  memory: { of: 'memory', page: 0, off: 0 },
  address: start,
  size: onePage,
}
const unmapOne = { container, argsz: 48, flags: 0, address: start, size: onePage, bitmap }
const dirty = { container, argsz: 48, flags: 4, address: start, size: onePage, bitmap }
const irqs = {
  device,
  index: 1,
  data: 4,
  action: 32,
  start: 0,
  count: 1,
  more: 0,
  entries: Array(5).fill(anEventfd),
  bits: 0,
}
const nothing = '16384×00'

/** What the fuzzer found the fake to do otherwise than Linux, of VFIO: shortened, and named. */
export function fuzzFoundVfio({ describe, it }: Runner, host: Host): void {
  const vfio = (...program: KnownStep[]) => replays(host, 'vfio', program)

  describe('fuzz found, vfio', () => {
    it('has no message interrupt of no vectors', () =>
      vfio(['setIrqs', { ...irqs, count: 0 }, refused('ERANGE', 'DEVICE_SET_IRQS')]))

    it('leaves the offset of capabilities alone where a region has none', () =>
      vfio([
        'regionInfo',
        { device, argsz: 32, index: 0 },
        { result: 0, wrote: '1×20, 3×00, 1×07, 7×00, 4×a5, 2×00, 1×10, 13×00, 992×a5' },
      ]))

    it('writes as much of what it knows of a device as argsz has room for', () =>
      vfio(
        ...([19, 20] as const).map((argsz): KnownStep => {
          const wrote = `1×${argsz.toString(16)}, 3×00, 1×02, 3×00, 1×09, 3×00, 1×05, ${argsz - 13}×00, ${1024 - argsz}×a5`
          return ['deviceInfo', { device, argsz }, { result: 0, wrote }]
        }),
      ))

    it('reads registers by 64 bits where as many are left', () =>
      vfio(['readRegisters', { device, region: 0, at: 0x20, length: 18 }, [18, '16×ff, 2×00']]))

    it('looks at what a hot reset is to be before it says that there is none', () =>
      vfio(
        ['map', { ...mapOne, container: device }, refused('EINVAL', 'IOMMU_MAP_DMA')],
        ['anyRequest', { file: device, request: 0x3b70, argsz: 12, value: 3 }, refused('EFAULT', '0x3b70')],
      ))

    it('has features that are got or set, one of the two', () =>
      vfio(['dirtyPages', { ...dirty, container: device }, refused('EINVAL', 'IOMMU_DIRTY_PAGES')]))

    it('shows who made the edu device', () =>
      vfio(['readConfig', { device, at: 0x2c, length: 4 }, [4, '1×f4, 1×1a, 1×00, 1×11']]))

    it('does not show that messages are on', () =>
      vfio(
        ['setIrqs', irqs, 0],
        ['readConfig', { device, at: 0x40, length: 4 }, [4, '1×05, 1×00, 1×80, 1×00']],
      ))

    it('has the pin down once messages are on', () =>
      vfio(
        ['interrupt', { device, acknowledge: false }, undefined],
        ['setIrqs', irqs, 0],
        ['readConfig', { device, at: 6, length: 1 }, [1, '1×10']],
      ))

    it('has no latency timer', () =>
      vfio(
        ['writeConfig', { device, place: { at: 0x0d, bytes: 1 }, value: Uint8Array.of(4) }, 1],
        ['readConfig', { device, at: 0x0d, length: 1 }, [1, '1×00']],
      ))

    it('looks at a bitmap’s pointer once there is something to write, and not while tracking is off', () =>
      vfio(
        [
          'unmap',
          { ...unmapOne, flags: 1, size: { pages: 2 ** 26, off: 0 } },
          refused('EINVAL', 'IOMMU_UNMAP_DMA'),
        ],
        [
          'dirtyPages',
          { ...dirty, bitmap: { ...bitmap, at: 'readOnly' } },
          refused('EINVAL', 'IOMMU_DIRTY_PAGES'),
        ],
        ['dirtyPages', { ...dirty, flags: 1 }, [0, nothing]],
        ['dirtyPages', { ...dirty, bitmap: { ...bitmap, at: 'nothing' } }, [0, nothing]],
        ['map', mapOne, 0],
        [
          'dirtyPages',
          { ...dirty, bitmap: { ...bitmap, at: 'nothing' } },
          refused('EFAULT', 'IOMMU_DIRTY_PAGES'),
        ],
      ))

    it('takes no group while a mapping waits for its memory', () =>
      vfio(
        ['openGroup', { group: 1 }, 'opened'],
        ['map', mapOne, 0],
        ['unmap', { ...unmapOne, flags: 4 }, [{ result: 0, unmapped: 4096n }, nothing]],
        [
          'setContainer',
          { group: { of: 'group', index: 1 }, container },
          refused('EBUSY', 'GROUP_SET_CONTAINER'),
        ],
      ))

    it('tells nothing of dirty pages by version 1', () =>
      vfio(
        ['close', { file: device }, 'closed'],
        ['unsetContainer', { group: { of: 'group', index: 0 } }, 0],
        ['setContainer', { group: { of: 'group', index: 0 }, container }, 0],
        ['setIommu', { container, type: 1 }, 0],
        ['dirtyPages', dirty, refused('EACCES', 'IOMMU_DIRTY_PAGES')],
      ))

    it('signals no INTx that is switched off, though it is asked to', () =>
      vfio(
        ['setIrqs', { ...irqs, index: 0 }, 0],
        ['command', { device, bits: 0x402 }, 2],
        ['setIrqs', { ...irqs, index: 0, data: 1 }, 0],
        ['readEventfd', { eventfd: anEventfd }, { code: 'EAGAIN', syscall: 'read' }],
      ))

    it('has nothing to read of an eventfd that is told of a line and unmasks it, too', () =>
      vfio(
        ['setIrqs', { ...irqs, index: 0 }, 0],
        ['setIrqs', { ...irqs, index: 0, action: 16 }, 0],
        ['interrupt', { device, acknowledge: false }, undefined],
        ['readEventfd', { eventfd: anEventfd }, { code: 'EAGAIN', syscall: 'read' }],
        ['interrupt', { device, acknowledge: true }, 4],
        ['interrupt', { device, acknowledge: true }, 4],
        ['readEventfd', { eventfd: anEventfd }, { code: 'EAGAIN', syscall: 'read' }],
      ))

    it('unmasks INTx where its pin is switched on again', () =>
      vfio(
        ['setIrqs', { ...irqs, index: 0 }, 0],
        ['interrupt', { device, acknowledge: false }, undefined],
        ['command', { device, bits: 0x406 }, 2],
        ['writeConfig', { device, place: { at: 4, bytes: 2 }, value: Uint8Array.of(0, 0) }, 2],
        ['readEventfd', { eventfd: anEventfd }, 2n],
      ))

    it('delivers a message that came before anybody listened', () =>
      vfio(
        ['command', { device, bits: 0x6 }, 2],
        ['setIrqs', { ...irqs, entries: Array(5).fill(-1) }, 0],
        ['interrupt', { device, acknowledge: true }, 4],
        ['setIrqs', irqs, 0],
        ['readEventfd', { eventfd: anEventfd }, 1n],
      ))

    it('listens to messages no longer once it was told to by what is no eventfd', () =>
      vfio(
        ['setIrqs', irqs, 0],
        ['command', { device, bits: 0x6 }, 2],
        ['setIrqs', { ...irqs, entries: Array(5).fill(container) }, refused('EINVAL', 'DEVICE_SET_IRQS')],
        ['interrupt', { device, acknowledge: true }, 4],
        ['readEventfd', { eventfd: anEventfd }, { code: 'EAGAIN', syscall: 'read' }],
      ))

    it('reads no bytes wherever it is asked to', () =>
      vfio(
        ['readRegisters', { device, region: 0, at: 0x10_0000, length: 0 }, [0, '']],
        ['readRegisters', { device, region: 200, at: 0, length: 0 }, [0, '']],
        ['readConfig', { device, at: 260, length: 0 }, [0, '']],
      ))

    it('unmaps nothing of a range that ends with the last of all addresses', () =>
      vfio(
        ['map', { ...mapOne, address: { from: 'low', page: 47, off: 0 } }, 0],
        [
          'unmap',
          { ...unmapOne, address: { from: 'low', page: 1, off: 0 }, size: { pages: 2 ** 52 - 1, off: 0 } },
          [{ result: 0, unmapped: 0n }, nothing],
        ],
      ))
  })
}
