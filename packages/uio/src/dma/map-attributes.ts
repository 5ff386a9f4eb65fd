import type { UioConnection } from '../device/connection'
import { readOptional, UIO_CLASS } from '../discovery/sysfs'

/** `addr` of a map as it is now; undefined where there is no such map. */
export function readMapAddress(connection: UioConnection, index: number): bigint | undefined {
  const text = readAttribute(connection, index, 'addr')
  return text === undefined ? undefined : BigInt(text)
}

/** `size` of a map; undefined where there is no such map. */
export function readMapLength(connection: UioConnection, index: number): number | undefined {
  const text = readAttribute(connection, index, 'size')
  return text === undefined ? undefined : Number(text)
}

function readAttribute({ kernel, info }: UioConnection, index: number, name: string): string | undefined {
  return readOptional(kernel, `${UIO_CLASS}/${info.node}/maps/map${index}/${name}`)
}
