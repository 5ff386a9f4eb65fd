import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { deviceNode } from '../fs/nodes'
import { type FileAccess, OpenFile } from '../kernel/open-file'
import type { FakeProcess } from '../process'
import { type PortSpace, portCount } from './port-space'

/** Puts `/dev/port` in place: for those with CAP_SYS_RAWIO (`EPERM`), whatever its mode says. */
export function mountPorts(fs: FileSystem, process: FakeProcess, ports: PortSpace): void {
  fs.put(
    '/dev/port',
    deviceNode(0o600, (access) => {
      if (!process.has('CAP_SYS_RAWIO')) fail('EPERM', 'I/O ports need CAP_SYS_RAWIO')
      return new PortFile(access, ports)
    }),
  )
}

/** /dev/port, opened: the position is the port, and each byte an access of its own to the port after. */
class PortFile extends OpenFile {
  readonly #ports: PortSpace

  constructor(access: FileAccess, ports: PortSpace) {
    super('/dev/port', access)
    this.#ports = ports
  }

  override readAt(bytes: Uint8Array, position: number): number {
    const count = transferable(bytes, position)
    for (let index = 0; index < count; index++) bytes[index] = this.#ports.read8(position + index)
    return count
  }

  override writeAt(bytes: Uint8Array, position: number): number {
    const count = transferable(bytes, position)
    for (let index = 0; index < count; index++) this.#ports.write8(position + index, bytes[index]!)
    return count
  }
}

function transferable(bytes: Uint8Array, position: number): number {
  return Math.max(0, Math.min(bytes.byteLength, portCount - position))
}
