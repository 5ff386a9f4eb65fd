import type { UioConnection } from '../device/connection'
import { AllocatedRegions } from './allocated-regions'
import type { DriverWay } from './driver-way'
import { DynamicRegions } from './dynamic-regions'
import { FlaggedSlots } from './flagged-slots'

/** What is known of each connection's memory: all who have the device open share it. */
const known = /* @__PURE__ */ new WeakMap<UioConnection, readonly DriverWay[]>()

/** The ways to memory of the device's own driver, in the order in which they are tried. */
export function driverWays(connection: UioConnection): readonly DriverWay[] {
  const ways = known.get(connection) ?? [
    new DynamicRegions(connection),
    new AllocatedRegions(connection),
    new FlaggedSlots(connection),
  ]
  known.set(connection, ways)
  return ways
}
