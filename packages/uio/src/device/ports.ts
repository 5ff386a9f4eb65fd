import { DmaError, explained, FileRegisterWindow, IoRegion } from '@linux-dma/core'
import { O_RDWR } from '@linux-dma/native'
import { openSysfsBar } from '@linux-dma/pci'
import type { UioBarInfo, UioDeviceInfo, UioPortInfo } from '../discovery/uio-device-info'
import type { UioConnection } from './connection'

/** A file in which the position is the number of a port. */
const DEV_PORT = '/dev/port'

/** Ports, and what has to be closed with them: the region itself, or the BAR that they are a part of. */
export interface OpenedPorts {
  readonly region: IoRegion
  readonly owner: IoRegion
}

/**
 * Opens a range of I/O ports: through the BAR that it is, where it is one, else through /dev/port, which passes on bytes only.
 * @throws DMA_NO_PORT; DMA_UNSUPPORTED for those that are not x86's; EACCES, EPERM with what permits it; ENOENT
 */
export function openPorts({ kernel, info }: UioConnection, index: number): OpenedPorts {
  const range = findPorts(info, index)
  const bar = info.pci?.bars.find((candidate) => holds(candidate, range))
  if (bar !== undefined) {
    const owner = openSysfsBar(kernel, info.pci!.address, bar, undefined, () => {}).region
    return { owner, region: owner.subRegion(range.start - Number(bar.address), range.size) }
  }
  const name = `${info.node} port ${index}${range.name === '' ? '' : ` '${range.name}'`}`
  const fd = explained(() => kernel.open(DEV_PORT, O_RDWR), {
    EACCES: () => ({ message: `${DEV_PORT} is root's`, hint: 'run as root: I/O ports are nobody else’s' }),
    EPERM: () => ({
      message: `${name}: I/O ports need CAP_SYS_RAWIO`,
      hint: 'run as root; a container needs --cap-add SYS_RAWIO --device /dev/port; with Secure Boot the kernel lets nobody',
    }),
    ENOENT: () => ({
      message: `this kernel has no ${DEV_PORT}`,
      hint: 'it needs CONFIG_DEVPORT; in a container: --device /dev/port',
    }),
  })
  const window = new FileRegisterWindow(kernel, fd, {
    name,
    position: range.start,
    byteLength: range.size,
    widths: [8],
  })
  const onClose = () => kernel.close(fd)
  const region = new IoRegion(window, { name, clock: kernel.clock, onClose })
  return { region, owner: region }
}

function findPorts({ node, ports }: UioDeviceInfo, index: number): UioPortInfo {
  const range = ports.find((candidate) => candidate.index === index)
  if (range === undefined) {
    throw new DmaError('DMA_NO_PORT', `${node} has no ports ${String(index)}`, {
      hint: `it has ${ports.map((one) => one.index).join(', ') || 'none'}`,
    })
  }
  if (range.type === 'port_x86') return range
  throw new DmaError('DMA_UNSUPPORTED', `ports ${index} of ${node} are of type ${range.type}`, {
    hint: 'only port_x86 is what /dev/port reaches: the others mean something to their own driver alone',
  })
}

function holds({ kind, address, byteLength }: UioBarInfo, { start, size }: UioPortInfo): boolean {
  return kind === 'io' && Number(address) <= start && start + size <= Number(address) + byteLength
}
