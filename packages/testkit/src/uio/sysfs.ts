import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { deviceNode, directory, textFile } from '../fs/nodes'
import type { UioDevice } from './device'
import type { PortDescription } from './driver-info'
import type { UioMap } from './map'

/** The first of the numbers that Linux gives out by itself to kinds of devices. */
const major = 252

const wide = (value: bigint | number) => `0x${value.toString(16).padStart(16, '0')}\n`
const narrow = (value: number) => `0x${value.toString(16)}\n`

/** Puts the class in place, which is there before any device. */
export function putUioClass(fs: FileSystem): void {
  fs.put('/sys/class/uio', directory())
}

/** Puts a device into sysfs, and its node into /dev. */
export function putUio(fs: FileSystem, device: UioDevice): void {
  const { directory: path, name, minor, maps } = device
  const ports = device.info?.ports ?? []
  const put = (file: string, read: () => string) => fs.put(`${path}/${file}`, textFile(read))
  // A file that was opened before the device went answers so.
  const info = () => device.info ?? fail('ENODEV', 'the driver has taken the device back')
  put('name', () => `${info().name}\n`)
  put('version', () => `${info().version}\n`)
  put('event', () => `${device.events}\n`)
  put('dev', () => `${major}:${minor}\n`)
  put('uevent', () => `MAJOR=${major}\nMINOR=${minor}\nDEVNAME=${name}\n`)
  fs.link(`${path}/device`, device.parent.directory)
  fs.link(`${path}/subsystem`, '/sys/class/uio')
  if (device.dmaMemory !== undefined) fs.put(`${path}/maps`, directory())
  maps.forEach((map, index) => {
    putMap(fs, device, index, map)
  })
  ports.forEach((port, index) => {
    putPort(fs, `${path}/portio/port${index}`, port)
  })
  fs.link(`/sys/class/uio/${name}`, path)
  fs.link(`/sys/dev/char/${major}:${minor}`, path)
  fs.put(
    device.node,
    deviceNode(0o600, (access) => device.open(access)),
  )
}

/** Puts a map into a device's directory. */
export function putMap(fs: FileSystem, device: UioDevice, index: number, map: UioMap): void {
  const put = (file: string, read: () => string) =>
    fs.put(`${device.directory}/maps/map${index}/${file}`, textFile(read))
  put('name', () => `${map.name}\n`)
  put('addr', () => wide(map.address))
  put('size', () => wide(map.byteLength))
  put('offset', () => narrow(map.byteOffset))
}

/** Takes a device out of sysfs, and its node out of /dev. */
export function removeUio(fs: FileSystem, device: UioDevice): void {
  fs.remove(device.node)
  fs.remove(`/sys/dev/char/${major}:${device.minor}`)
  fs.remove(`/sys/class/uio/${device.name}`)
  fs.remove(device.directory)
  const siblings = `${device.parent.directory}/uio`
  if (fs.list(siblings).length === 0) fs.remove(siblings)
}

function putPort(fs: FileSystem, path: string, { name, start, size, porttype }: PortDescription): void {
  const put = (file: string, text: string) =>
    fs.put(
      `${path}/${file}`,
      textFile(() => text),
    )
  put('name', `${name}\n`)
  put('start', narrow(start))
  put('size', narrow(size))
  put('porttype', `${porttype}\n`)
}
