import { O_RDWR } from '@linux-dma/native'
import fc from 'fast-check'
import { ioctls, words } from '../../raw-vfio'
import { type Operation, operation } from '../family'
import { anyFile, descriptorOf, fileOf, isOther, request, structure, type VfioWorld } from './vfio-world'

type Operations = { readonly [name: string]: Operation<VfioWorld> }

const sizes = (usual: number) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(0, 4, usual - 1, usual + 1, usual + 8, 512, 0xffff_ffff) },
  )

/** `argsz` of a structure: right as a rule. */
export const argszOf = sizes

/** The name of a device, as a program may spell it. */
const names = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(0, 1) },
  { weight: 1, arbitrary: fc.constantFrom('', '0000:00:1e.7', '00:04.0', ' ', 'x'.repeat(200)) },
)

/** What is opened, duplicated and closed, in any order. */
export const vfioFiles: Operations = {
  openContainer: operation(fc.record({}), (_, { kernel, files }: VfioWorld) => {
    files.container.add(kernel.open('/dev/vfio/vfio', O_RDWR))
    return 'opened'
  }),
  openGroup: operation(
    fc.record({ group: fc.constantFrom(0, 1) }),
    ({ group }, { kernel, files, groups }: VfioWorld) => {
      files.group.add(kernel.open(groups[group]!, O_RDWR))
      return 'opened'
    },
    3,
  ),
  getDevice: operation(
    fc.record({ group: fileOf('group', 'ready'), name: names }),
    ({ group, name }, world: VfioWorld) => {
      const { bytes } = structure()
      const text = typeof name === 'number' ? world.devices[name]! : name
      bytes.set(new TextEncoder().encode(`${text}\0`))
      const fd = world.kernel.ioctl(
        descriptorOf(world, group),
        ioctls.GROUP_GET_DEVICE_FD,
        bytes,
        'GROUP_GET_DEVICE_FD',
      )
      world.files.device.add(fd)
      if (name === 1) world.others.add(fd)
      else world.others.delete(fd)
      return 'opened'
    },
    3,
  ),
  makeEventfd: operation(
    fc.record({ count: fc.constantFrom(0, 0, 1, 5) }),
    ({ count }, { kernel, files }: VfioWorld) => {
      files.eventfd.add(kernel.eventfd(count))
      return 'made'
    },
  ),
  duplicate: operation(fc.record({ file: anyFile }), ({ file }, world: VfioWorld) => {
    const other = isOther(world, file)
    const fd = world.kernel.duplicate(descriptorOf(world, file))
    world.files[file.of].add(fd)
    if (other) world.others.add(fd)
    else world.others.delete(fd)
    forget(world, fd)
    return 'made'
  }),
  close: operation(
    fc.record({ file: anyFile }),
    ({ file }, world: VfioWorld) => {
      const fd = descriptorOf(world, file)
      world.kernel.close(fd)
      world.files[file.of].take(file.index)
      forget(world, fd)
      return 'closed'
    },
    2,
  ),
  groupStatus: operation(
    fc.record({ group: fileOf('group'), argsz: sizes(8) }),
    ({ group, argsz }, world: VfioWorld) =>
      request(world, descriptorOf(world, group), 'GROUP_GET_STATUS', structure(argsz).bytes),
  ),
  setContainer: operation(
    fc.record({ group: fileOf('group', 'free'), container: fileOf('container') }),
    ({ group, container }, world: VfioWorld) => {
      const own = descriptorOf(world, group)
      const target = descriptorOf(world, container)
      const { kernel, containers } = world
      const result = kernel.ioctl(own, ioctls.GROUP_SET_CONTAINER, words(target), 'GROUP_SET_CONTAINER')
      containers.set(own, target)
      return result
    },
    3,
  ),
  unsetContainer: operation(fc.record({ group: fileOf('group') }), ({ group }, world: VfioWorld) => {
    const own = descriptorOf(world, group)
    const { kernel } = world
    const result = kernel.ioctl(own, ioctls.GROUP_UNSET_CONTAINER, 0, 'GROUP_UNSET_CONTAINER')
    forget(world, own)
    return result
  }),
}

/** A group is in no container any more, nor has a container an IOMMU that no group is in. */
function forget({ containers, ready }: VfioWorld, fd: number): void {
  const container = containers.get(fd)
  containers.delete(fd)
  ready.delete(fd)
  if (container !== undefined && ![...containers.values()].includes(container)) ready.delete(container)
}
