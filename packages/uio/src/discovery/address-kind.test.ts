import { describe, expect, it } from 'vitest'
import { recordedKernel } from '../../test-support/recorded-kernel'
import { pciFiles, uioFiles } from '../../test-support/recordings'
import { listUioDevices } from './list-devices'

const IOMEM = `00000000-00000fff : Reserved
00001000-0009fbff : System RAM
00100000-3fffffff : System RAM
  01000000-01ffffff : Kernel code
70000000-7fffffff : Reserved
80000000-febfffff : PCI Bus 0000:00
  fea00000-feafffff : 0000:00:04.0
100000000-17fffffff : System RAM
`

/** What the number is taken for: that of a platform device's only map. */
function kindOf(
  addr: string,
  machine: {
    driver?: string
    iomem?: string
    arch?: string
    release?: string
    iommu?: string
    map?: string
  } = {},
): string | undefined {
  const {
    driver = 'uio_pdrv_genirq',
    iomem = IOMEM,
    arch = 'x86_64',
    release = '6.12.0',
    iommu,
    map = 'map0',
  } = machine
  const devicePath = '/sys/devices/platform/one'
  const kernel = recordedKernel({
    ...uioFiles({
      node: 'uio0',
      name: 'one',
      devicePath,
      subsystem: 'platform',
      driver,
      maps: { [map]: { name: 'one', addr, size: '0x1000', offset: '0x0' } },
    }),
    '/proc/iomem': iomem,
    '/proc/sys/kernel/arch': `${arch}\n`,
    '/proc/sys/kernel/osrelease': `${release}\n`,
    ...(iommu === undefined
      ? {}
      : {
          [`${devicePath}/iommu_group`]: '-> ../../../kernel/iommu_groups/1',
          '/sys/kernel/iommu_groups/1/type': `${iommu}\n`,
        }),
  })
  return listUioDevices({ kernel })[0]?.maps[0]?.addressKind
}

/** As those see it who are not root. */
const hidden = IOMEM.replaceAll(/[0-9a-f]+-[0-9a-f]+/g, '00000000-00000000')

describe('the number in addr of a map', () => {
  it('is of memory or of registers, by what is there', () => {
    expect(kindOf('0x0000000000100000')).toBe('memory')
    expect(kindOf('0x000000017ffff000')).toBe('memory')
    expect(kindOf('0x00000000000a0000')).toBe('registers')
    expect(kindOf('0x00000000fe000000')).toBe('registers')
    expect(kindOf('0x0000000180000000')).toBe('registers')
  })

  it('is unknown where nobody says what is there', () => {
    expect(kindOf('0x0000000000100000', { iomem: hidden })).toBe('unknown')
    expect(kindOf('0x0000000000100000', { iomem: '' })).toBe('unknown')
    // What drivers leave there that have nothing to say.
    expect(kindOf('0x0000000000000000')).toBe('unknown')
  })

  it('is none or a pointer, whoever reads it', () => {
    for (const iomem of [IOMEM, hidden, '']) {
      expect(kindOf('0xffffffffffffffff', { iomem })).toBe('none')
      expect(kindOf('0xff1100000264e000', { iomem })).toBe('kernel-pointer')
      expect(kindOf('0xffffc90000123000', { iomem })).toBe('kernel-pointer')
      expect(kindOf('0x0010000000000000', { iomem })).toBe('kernel-pointer')
      expect(kindOf('0xffffffff', { iomem, arch: 'armv7l' })).toBe('none')
    }
  })

  it('may be an address that only the IOMMU knows', () => {
    expect(kindOf('0x00000000fffff000', { iommu: 'DMA-FQ' })).toBe('unknown')
    expect(kindOf('0x0000000000100000', { iommu: 'DMA' })).toBe('unknown')
    expect(kindOf('0x0000000000100000', { iommu: 'identity' })).toBe('memory')
    expect(kindOf('0xff1100000264e000', { iommu: 'DMA' })).toBe('kernel-pointer')
  })

  it('of uio_dmem_genirq may lie in memory that is set aside', () => {
    const dmem = { driver: 'uio_dmem_genirq', release: '6.1.0' }
    expect(kindOf('0x0000000070000000', dmem)).toBe('unknown')
    expect(kindOf('0x0000000060000000', dmem)).toBe('unknown')
    expect(kindOf('0x0000000090000000', dmem)).toBe('registers')
    expect(kindOf('0x0000000000200000', dmem)).toBe('memory')
  })

  it('may be a pointer that looks like an address', () => {
    const arm = { arch: 'armv7l', driver: 'uio_dmem_genirq' }
    expect(kindOf('0xc1234000', { ...arm, release: '6.12.1-v7l' })).toBe('kernel-pointer')
    expect(kindOf('0xc1234000', { ...arm, release: '6.9.0' })).toBe('kernel-pointer')
    expect(kindOf('0xc1234000', { ...arm, release: '6.8.12' })).toBe('unknown')
    expect(kindOf('0xc1234000', { ...arm, release: '10.0.0' })).toBe('kernel-pointer')
    expect(kindOf('0xc1234000', { arch: 'i686' })).toBe('unknown')
    expect(kindOf('0x00200000', { arch: 's390x', driver: 'uio_dmem_genirq' })).toBe('kernel-pointer')
    expect(kindOf('0x0000000000200000', { arch: 'aarch64', driver: 'uio_dmem_genirq' })).toBe('memory')
  })

  it('is of memory where the core allocated it', () => {
    expect(kindOf('0x00000000fffe0000', { map: 'map1000', iommu: 'DMA' })).toBe('memory')
    expect(kindOf('0xffffffffffffffff', { map: 'map1000' })).toBe('none')
  })
})

describe('maps and BARs', () => {
  const address = '0000:00:04.0'
  const bars = [
    '0x00000000fea00100 0x00000000fea001ff 0x0000000000040200',
    '0x00000000fea00200 0x00000000fea03fff 0x0000000000040200',
  ]
  const withMap = (map: { addr: string; size: string; offset?: string }) =>
    listUioDevices({
      kernel: recordedKernel({
        ...pciFiles(address, { id: '1234:0001', resource: bars }),
        ...uioFiles({
          node: 'uio0',
          name: 'one',
          devicePath: `/sys/devices/pci0000:00/${address}`,
          subsystem: 'pci',
          driver: 'a_driver',
          maps: { map0: { name: '', ...map } },
        }),
      }),
    })[0]!

  it('are matched where both are on one page, whichever way the driver writes the address', () => {
    expect(withMap({ addr: '0xfea00000', size: '0x1000', offset: '0x100' }).maps[0]).toMatchObject({
      bar: 0,
      addressKind: 'registers',
      name: '',
    })
    expect(withMap({ addr: '0xfea00200', size: '0x3e00', offset: '0x200' }).maps[0]!.bar).toBe(1)
    expect(withMap({ addr: '0xfea00200', size: '0x3e00' }).maps[0]).toMatchObject({ bar: 1, byteOffset: 0 })
  })

  it('that show a part of a BAR are not taken for all of it', () => {
    const { maps, pci } = withMap({ addr: '0xfea01000', size: '0x1000', offset: '0x0' })
    expect(maps[0]!.bar).toBe(1)
    expect(pci!.bars.map((bar) => 'map' in bar)).toEqual([false, false])
  })

  it('that have nothing to do with each other are not matched', () => {
    expect(withMap({ addr: '0xfea04000', size: '0x1000', offset: '0x0' }).maps[0]).not.toHaveProperty('bar')
  })
})
