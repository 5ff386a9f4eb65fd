import { DmaError } from '@linux-dma/core'
import { type DriverRegion, isInReach, outOfReach } from './driver-region'

/** Regions of one device, each given to one allocation at a time, whole. */
export class RegionPool {
  readonly #regions: DriverRegion[] = []
  readonly #taken = new Set<DriverRegion>()

  get isEmpty(): boolean {
    return this.#regions.length === 0
  }

  add(region: DriverRegion): void {
    this.#regions.push(region)
    this.#regions.sort((a, b) => a.byteLength - b.byteLength)
  }

  has(position: number): boolean {
    return this.#regions.some((region) => region.position === position)
  }

  take(region: DriverRegion): void {
    this.#taken.add(region)
  }

  giveBack(region: DriverRegion): void {
    this.#taken.delete(region)
  }

  /** The smallest free region that has so many bytes, below the mask. */
  find(byteLength: number, mask: bigint): DriverRegion | undefined {
    return this.#free(byteLength).find((region) => isInReach(region, mask))
  }

  /** A free region that has so many bytes, and that a device with this mask does not reach. */
  findOutOfReach(byteLength: number, mask: bigint): DriverRegion | undefined {
    return this.#free(byteLength).find((region) => !isInReach(region, mask))
  }

  /** Why `find` finds none. */
  whyNone(device: string, byteLength: number, mask: bigint): DmaError {
    const above = this.findOutOfReach(byteLength, mask)
    if (above) return outOfReach(device, above, mask)
    const list = this.#regions.map((region) => this.#describe(region)).join(', ')
    const long = this.#regions.some((region) => region.byteLength >= byteLength)
    return new DmaError(
      'ENOMEM',
      long
        ? `all regions of ${byteLength} bytes or more are in use: ${list}`
        : `no region has ${byteLength} bytes: ${list}`,
      {
        hint: long
          ? 'free an allocation first, or cut one up by dmaPoolCreate(); each takes a whole region'
          : 'allocate less; how long they are is the driver’s',
      },
    )
  }

  #free(byteLength: number): DriverRegion[] {
    return this.#regions.filter((region) => region.byteLength >= byteLength && !this.#taken.has(region))
  }

  #describe(region: DriverRegion): string {
    return `${region.origin} of ${region.byteLength} bytes${this.#taken.has(region) ? ' (in use)' : ''}`
  }
}
