import { type DmaAddress, dmaAddress, type IoRegion } from '@linux-dma/core'
import type { Kernel } from '@linux-dma/native'

/** Offsets in the edu device's BAR 0 that the suites use raw, without its driver. */
export const EDU_ID = 0x00
export const EDU_LIVENESS = 0x04
export const EDU_INTERRUPT_STATUS = 0x24
export const EDU_RAISE = 0x60
export const EDU_ACKNOWLEDGE = 0x64
export const EDU_BUFFER = dmaAddress(0x4_0000)

const SOURCE = 0x80
const DESTINATION = 0x88
const COUNT = 0x90
const COMMAND = 0x98
const START = 1
const FROM_DEVICE = 2

/** Moves bytes between memory and the device's buffer, and polls until the device says that it is done. */
export async function transfer(
  registers: IoRegion,
  direction: 'to-device' | 'from-device',
  memory: DmaAddress,
  byteLength: number,
): Promise<void> {
  const toDevice = direction === 'to-device'
  registers.writeAddress(SOURCE, toDevice ? memory : EDU_BUFFER)
  registers.writeAddress(DESTINATION, toDevice ? EDU_BUFFER : memory)
  registers.write32(COUNT, byteLength)
  registers.write32(COMMAND, START | (toDevice ? 0 : FROM_DEVICE))
  await registers.pollUntil(COMMAND, (command) => (command & START) === 0, {
    timeoutMilliseconds: 5000,
    intervalMilliseconds: 5,
  })
}

/** Bytes that differ from their neighbours and from zero often enough to show a shift. */
export function fillPattern(bytes: Uint8Array, seed: number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 37 + seed + (i >> 8)) & 0xff
}

/** Lets the event loop turn a few times, so that what is already on its way arrives. */
export async function settle(kernel: Kernel): Promise<void> {
  await kernel.clock.sleep(20)
}
