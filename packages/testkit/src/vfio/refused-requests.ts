import { fail } from '../errors'
import type { UserMemory } from '../kernel/user-memory'
import {
  VFIO_DEVICE_FEATURE,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
  VFIO_DEVICE_FEATURE_PROBE,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
  VFIO_DEVICE_IOEVENTFD,
  VFIO_DEVICE_PCI_HOT_RESET,
} from './abi'

/** What a device of the fake machine cannot do: refused as the kernel refuses it, which looks at the argument first. */
export function refuseRequest(request: number, argument: UserMemory): never {
  switch (request) {
    case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
      argument.sized(12)
      return fail('ENODEV', 'a device on the root bus has no slot or bus reset')
    case VFIO_DEVICE_PCI_HOT_RESET:
      return refuseHotReset(argument)
    case VFIO_DEVICE_IOEVENTFD:
      return refuseIoEventFd(argument)
    case VFIO_DEVICE_FEATURE:
      return refuseFeature(argument)
    default:
      return fail('ENOTTY')
  }
}

function refuseHotReset(argument: UserMemory): never {
  const { view } = argument.sized(12)
  if (view.getUint32(4, true) !== 0) fail('EINVAL', 'there are no flags')
  if (view.getUint32(8, true) === 0) fail('EINVAL', 'no groups are given')
  return fail('ENODEV', 'a device on the root bus has no slot or bus reset')
}

function refuseIoEventFd(argument: UserMemory): never {
  const { view } = argument.sized(28)
  const flags = view.getUint32(4, true)
  if (![1, 2, 4, 8].includes(flags)) fail('EINVAL', 'flags is exactly one of the widths')
  if (view.getInt32(24, true) < -1) fail('EINVAL', 'no such descriptor')
  return fail('ENOTTY', 'ioeventfds are not modelled')
}

function refuseFeature(argument: UserMemory): never {
  const { view } = argument.sized(8)
  const flags = view.getUint32(4, true)
  const operations = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET
  if (flags >>> 19 !== 0) fail('EINVAL', `flags 0x${flags.toString(16)} has unknown bits`)
  const probes = (flags & VFIO_DEVICE_FEATURE_PROBE) !== 0
  if (!probes && (flags & operations) === operations) fail('EINVAL', 'flags has both GET and SET')
  const feature = flags & 0xffff
  const power =
    feature >= VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY && feature <= VFIO_DEVICE_FEATURE_LOW_POWER_EXIT
  if (power && (flags & VFIO_DEVICE_FEATURE_GET) !== 0) fail('EINVAL', 'low power cannot be read')
  if (power && !probes && (flags & operations) === 0) fail('EINVAL', 'flags has neither GET nor SET')
  return fail('ENOTTY', 'the device has no such feature: low power, which Linux has, is not modelled')
}
