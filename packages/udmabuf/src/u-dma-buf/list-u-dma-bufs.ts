import { assertOptions, DmaError, dmaAddress, isDmaError, type Kernel, kernelOption } from '@linux-dma/core'
import type { UDmaBufInfo } from './u-dma-buf-info'

/** The class since version 2.0 of the driver, and the one before. */
const CLASSES = ['/sys/class/u-dma-buf', '/sys/class/udmabuf']

/**
 * Lists the u-dma-bufs that there are now, by name: buffers in one piece of physical memory, of the kernel module u-dma-buf. Reads
 * sysfs only and needs no privileges. One that goes away meanwhile is left out.
 * @throws DMA_NATIVE_UNAVAILABLE where no kernel is passed and this is not Linux
 * @example
 * ```ts
 * for (const { node, size, dmaCoherent } of listUDmaBufs({ kernel })) console.log(node, size, dmaCoherent)
 * ```
 */
export function listUDmaBufs(options: { kernel?: Kernel } = {}): UDmaBufInfo[] {
  assertOptions('listUDmaBufs', options, ['kernel'])
  const kernel = kernelOption('listUDmaBufs', options.kernel)
  return namesIn(kernel).flatMap(({ folder, name }) => {
    try {
      return [readInfo(kernel, `${folder}/${name}`, name)]
    } catch (error) {
      if (isGone(error)) return []
      throw error
    }
  })
}

/**
 * Reads what sysfs knows of one u-dma-buf.
 * @param nameOrPath `udmabuf0`, or `/dev/udmabuf0`
 * @throws DMA_NO_DEVICE where there is none of that name; DMA_INVALID_ARGUMENT
 */
export function readUDmaBuf(kernel: Kernel, nameOrPath: string): UDmaBufInfo {
  if (typeof nameOrPath !== 'string' || !/^(\/dev\/)?[^/\0]+$/.test(nameOrPath)) {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `${String(nameOrPath)} does not say which u-dma-buf is meant`,
      {
        hint: "its name, 'udmabuf0', or '/dev/udmabuf0'; listUDmaBufs() has all",
      },
    )
  }
  const wanted = nameOrPath.replace(/^\/dev\//, '')
  const all = namesIn(kernel)
  const found = all.find(({ name }) => name === wanted)
  try {
    if (found) return readInfo(kernel, `${found.folder}/${found.name}`, found.name)
  } catch (error) {
    if (!isGone(error)) throw error
  }
  const others = all.filter(({ name }) => name !== wanted).map(({ name }) => name)
  throw new DmaError('DMA_NO_DEVICE', `there is no u-dma-buf ${wanted}`, {
    hint: others.length > 0 ? `there are: ${others.join(', ')}` : howToGetOne(wanted),
    path: `${CLASSES[0]}/${wanted}`,
  })
}

/** The module's parameters are udmabuf0 to udmabuf7. */
function howToGetOne(name: string): string {
  const parameter = /^udmabuf[0-7]$/.test(name) ? name : 'udmabuf0'
  return (
    `load its driver: sudo modprobe u-dma-buf ${parameter}=1048576, or insmod u-dma-buf.ko with the same; ` +
    'it is no part of Linux: github.com/ikwzm/udmabuf has it. The kernel’s own udmabuf is another: createUdmabuf()'
  )
}

function namesIn(kernel: Kernel): { folder: string; name: string }[] {
  const all = CLASSES.flatMap((folder) => listed(kernel, folder).map((name) => ({ folder, name })))
  return all.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
}

/** None where there is no such folder. */
function listed(kernel: Kernel, folder: string): string[] {
  try {
    return kernel.list(folder)
  } catch (error) {
    if (isDmaError(error, 'ENOENT')) return []
    throw error
  }
}

function readInfo(kernel: Kernel, path: string, name: string): UDmaBufInfo {
  const required = (attribute: string) => kernel.readText(`${path}/${attribute}`).trim()
  const optional = (attribute: string) => orAbsent(() => required(attribute))
  const dmaCoherent = optional('dma_coherent')
  return {
    name,
    node: `/dev/${name}`,
    path,
    size: Number(required('size')),
    dmaAddress: dmaAddress(BigInt(required('phys_addr'))),
    dmaCoherent: dmaCoherent === undefined ? undefined : dmaCoherent === '1',
    syncMode: Number(required('sync_mode')),
    syncOwner: required('sync_owner') === '1' ? 'device' : 'cpu',
    driverVersion: optional('driver_version') ?? '',
    ioctlVersion: Number(optional('ioctl_version') ?? 0),
  }
}

/** Attributes that not every version of the driver has. */
function orAbsent(read: () => string): string | undefined {
  try {
    return read()
  } catch (error) {
    if (isDmaError(error, 'ENOENT')) return undefined
    throw error
  }
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENODEV', 'ENXIO'].some((code) => isDmaError(error, code))
}
