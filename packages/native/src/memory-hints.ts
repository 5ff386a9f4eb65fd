import { readdirSync, statfsSync } from 'node:fs'
import type { Addon } from './addon'

const HUGETLBFS_MAGIC = 0x958458f6
const HUGE_PAGES = '/sys/kernel/mm/hugepages'

/** What to do where memfd_create failed. */
export function memfdHint(code: string, hugePageSize: number): string | undefined {
  if (hugePageSize === 0) return undefined
  if (code === 'EINVAL') return `byteLength has to be a multiple of the huge page size, ${hugePageSize}`
  if (code === 'ENODEV' || code === 'ENOENT' || code === 'ENOSYS')
    return `this kernel has huge pages of ${sizes()}: pass one of these`
  if (code === 'ENOMEM') return reserveLine(hugePageSize, 1)
  return undefined
}

/** What to do where mmap failed: the cause is looked for where ENOMEM has several. */
export function mmapHint(addon: Addon, code: string, fd: number, byteLength: number): string | undefined {
  if (code === 'EACCES')
    return `the descriptor was not opened for writing: open it with O_RDWR, or map with access: 'read'`
  if (code === 'EPERM') return `the file is sealed against writing: map it with access: 'read'`
  if (code === 'ENODEV') return 'this kind of file cannot be mapped'
  if (code !== 'ENOMEM') return undefined
  const hugePageSize = hugePageSizeOf(fd)
  if (hugePageSize !== 0) return reserveLine(hugePageSize, Math.ceil(byteLength / hugePageSize))
  const { parkedMappings, parkedBytes, mappings } = addon.live()
  const parked =
    parkedMappings > mappings
      ? `${parkedMappings} closed mappings keep ${parkedBytes} bytes of addresses until their ArrayBuffers are collected: let the event loop turn (await setImmediate() of node:timers/promises); `
      : ''
  return `${parked}${mappings} mappings are open: map larger parts, or raise the limits: ulimit -v unlimited; sudo sysctl vm.max_map_count=262144`
}

function hugePageSizeOf(fd: number): number {
  try {
    const status = statfsSync(`/proc/self/fd/${fd}`)
    return status.type === HUGETLBFS_MAGIC ? status.bsize : 0
  } catch {
    return 0
  }
}

function reserveLine(hugePageSize: number, pages: number): string {
  const kilobytes = hugePageSize / 1024
  return `reserve huge pages, as root: echo ${pages} > ${HUGE_PAGES}/hugepages-${kilobytes}kB/nr_hugepages (${pages} more than are in use now)`
}

function sizes(): string {
  try {
    return readdirSync(HUGE_PAGES)
      .map((name) => /^hugepages-(\d+)kB$/.exec(name)?.[1])
      .filter((kilobytes) => kilobytes !== undefined)
      .map((kilobytes) => `${Number(kilobytes) * 1024}`)
      .join(' or ')
  } catch {
    return 'no size'
  }
}
