import { type DmaDevice, type DmaOps, dmaBitMask, toNumber } from '@linux-dma/core'
import { createFakeMachine, DeviceModel, type FakeMachine } from '@linux-dma/testkit'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import type { DmaSegments } from '../src'

/** A device that does nothing but what a test has it do at once. */
export class Engine extends DeviceModel {
  override readonly identity = { vendor: 0x1234, device: 0x0002 }
  override readonly bars = [{ byteLength: 0x1000 }]
  override readonly interrupts = { msi: 1 }

  override read(): number {
    return 0
  }

  override write(): void {}

  /** All bytes of the segments, as the device sees them. */
  gather(segments: DmaSegments): Buffer {
    const parts = Array.from(segments, ({ dmaAddress, dmaLength }) => {
      const bytes = new Uint8Array(dmaLength)
      this.dma.read(BigInt(toNumber(dmaAddress)), bytes)
      return bytes
    })
    return Buffer.concat(parts)
  }

  /** Writes all of the segments, each byte its number in the whole. */
  scatter(segments: DmaSegments): void {
    let done = 0
    for (const { dmaAddress, dmaLength } of segments) {
      const bytes = Uint8Array.from({ length: dmaLength }, (_, i) => (done + i) & 0xff)
      this.dma.write(BigInt(toNumber(dmaAddress)), bytes)
      done += dmaLength
    }
  }
}

/** A machine with an {@link Engine}, and the engine opened by VFIO. */
export function withEngine(
  options: Parameters<typeof createFakeMachine>[0],
  test: (device: VfioDevice, engine: Engine, machine: FakeMachine) => Promise<void>,
): Promise<void>
export function withEngine(
  options: Parameters<typeof createFakeMachine>[0],
  test: (device: VfioDevice, engine: Engine, machine: FakeMachine) => void,
): void
export function withEngine(
  options: Parameters<typeof createFakeMachine>[0],
  test: (device: VfioDevice, engine: Engine, machine: FakeMachine) => void | Promise<void>,
): Promise<void> | void {
  const machine = createFakeMachine(options)
  const engine = new Engine()
  const { address } = machine.addDevice(engine)
  const device = openVfioDevice(address, { kernel: machine.kernel })
  device.setMaster()
  const end = () => {
    device.close()
    machine.assertQuiescent()
  }
  const ended = test(device, engine, machine)
  return ended ? ended.then(end) : end()
}

/** The same path without an IOMMU to lay out, and with syncs that are recorded where `syncs` is given. */
export function plainOps(inner: DmaOps, syncs?: string[]): DmaOps {
  const record =
    (verb: string) =>
    (_device: DmaDevice, address: unknown, byteLength: number): void => {
      syncs?.push(`${verb} ${Number(address).toString(16)}+${byteLength}`)
    }
  return {
    name: 'plain',
    coherent: syncs === undefined,
    pins: true,
    mapPages: (...args) => inner.mapPages(...args),
    unmapPages: (...args) => inner.unmapPages(...args),
    syncForCpu: record('cpu'),
    syncForDevice: record('device'),
    supportsMask: () => true,
    requiredMask: () => dmaBitMask(32),
    maxMappingSize: () => Number.MAX_SAFE_INTEGER,
    optMappingSize: () => Number.MAX_SAFE_INTEGER,
  }
}
