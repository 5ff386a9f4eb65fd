import { fail } from '../errors'
import type { UserMemory } from '../kernel/user-memory'
import { configBytes } from '../pci/config-space'
import type { PciFunction } from '../pci/function'
import { IoBar } from '../pci/io-bar'
import { accessRegisters, accessWideRegisters, type WideRegisterAccess } from '../registers/register-access'
import {
  regionPosition,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_ROM_REGION_INDEX,
  VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from './abi'

const infoBytes = 32
const capabilityBytes = 8

/** VFIO_DEVICE_GET_REGION_INFO */
export function writeRegionInfo(device: PciFunction, argument: UserMemory): void {
  const { view, argsz } = argument.sized(infoBytes)
  const index = view.getUint32(8, true)
  const { byteLength, flags } = describeRegion(device, index)
  const withCapability = device.model.interrupts.msix?.bar === index && byteLength > 0
  view.setUint32(4, flags | (withCapability ? VFIO_REGION_INFO_FLAG_CAPS : 0), true)
  view.setBigUint64(16, BigInt(byteLength), true)
  view.setBigUint64(24, BigInt(regionPosition(index)), true)
  if (!withCapability) return
  if (argsz < infoBytes + capabilityBytes) {
    view.setUint32(0, infoBytes + capabilityBytes, true)
    return
  }
  const room = argument.view(infoBytes + capabilityBytes)
  room.setUint32(12, infoBytes, true)
  room.setUint16(infoBytes, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, true)
  room.setUint16(infoBytes + 2, 1, true)
  room.setUint32(infoBytes + 4, 0, true)
}

function describeRegion(device: PciFunction, index: number): { byteLength: number; flags: number } {
  const readWrite = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE
  if (index === VFIO_PCI_CONFIG_REGION_INDEX) return { byteLength: configBytes, flags: readWrite }
  // The VGA region, and all beyond it, is refused: no fake device has one.
  if (index > VFIO_PCI_ROM_REGION_INDEX) return fail('EINVAL', `no region ${index}`)
  const bar = device.bar(index)
  if (bar === undefined) return { byteLength: 0, flags: 0 }
  const mappable = bar.kind === 'memory' ? VFIO_REGION_INFO_FLAG_MMAP : 0
  return { byteLength: bar.byteLength, flags: readWrite | mappable }
}

interface RegionOwner {
  readonly pci: PciFunction
  accessConfig(byteOffset: number, bytes: Uint8Array, direction: 'read' | 'write'): void
}

/** pread(2) or pwrite(2) of a region: returns the count of bytes. */
export function accessRegion(
  owner: RegionOwner,
  index: number,
  byteOffset: number,
  bytes: Uint8Array,
  direction: 'read' | 'write',
): number {
  if (index === VFIO_PCI_CONFIG_REGION_INDEX) {
    if (byteOffset + bytes.byteLength > configBytes)
      fail('EFAULT', `configuration space has ${configBytes} bytes`)
    owner.accessConfig(byteOffset, bytes, direction)
    return bytes.byteLength
  }
  const device = owner.pci
  const bar = device.bar(index)
  if (bar === undefined || byteOffset >= bar.byteLength)
    return fail('EINVAL', `nothing at ${byteOffset} of region ${index}`)
  if (bar.kind === 'memory') device.assertDecoding()
  const count = Math.min(bytes.byteLength, bar.byteLength - byteOffset)
  const part = bytes.subarray(0, count)
  if (bar.kind === 'io') accessRegisters(new IoBar(device, bar), byteOffset, part, direction)
  else accessWideRegisters(memoryBar(device, index), byteOffset, part, direction)
  return count
}

function memoryBar(device: PciFunction, index: number): WideRegisterAccess {
  return {
    read: (at, width) => device.readRegister(index, at, width),
    write: (at, width, value) => device.writeRegister(index, at, width, value),
  }
}
