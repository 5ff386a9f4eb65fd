import { calibrateCopybreak, type Kernel } from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'

const BUFFERS = [2048, 16384, 65536, 262144]

/** Measures the copybreak for buffers of some sizes, on either way to map them, and says what came out. */
export function calibrate(kernel: Kernel, address: string, print: (line: string) => void): void {
  using device = openVfioDevice(address, { kernel })
  device.setMaster()
  for (const registered of [false, true]) {
    for (const bufferByteLength of BUFFERS) {
      const found = calibrateCopybreak(device, { bufferByteLength, registered })
      const how = registered ? 'registered' : 'mapped'
      const copy = found.samples.at(-1)!.copyNanoseconds
      print(
        `${how.padEnd(11)} ${bufferByteLength} bytes: copybreak ${found.byteLength}` +
          (found.measured
            ? `, a remap ${nanoseconds(found.remapNanoseconds)}, a copy of it all ${nanoseconds(copy)}`
            : ', not measured'),
      )
    }
  }
}

function nanoseconds(value: number): string {
  return value < 10_000 ? `${value.toPrecision(3)} ns` : `${(value / 1000).toFixed(1)} µs`
}
