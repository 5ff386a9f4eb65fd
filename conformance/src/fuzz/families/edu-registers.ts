import type { Kernel, RegisterWindow } from '@linux-dma/native'

/** The edu device's registers, by offset in BAR 0. */
export const register = {
  id: 0x00,
  liveness: 0x04,
  factorial: 0x08,
  status: 0x20,
  interruptStatus: 0x24,
  raise: 0x60,
  acknowledge: 0x64,
  source: 0x80,
  destination: 0x88,
  count: 0x90,
  command: 0x98,
} as const

/** The device's own buffer, of which a byte less than all is used: QEMU's device takes no more at once. */
export const BUFFER_ADDRESS = 0x4_0000
export const BUFFER_BYTES = 4095

/** Milliseconds that a transfer takes, also of one byte. */
const TRANSFER = 100

/** What a program has of the device. */
interface Edu {
  readonly kernel: Kernel
  readonly registers: RegisterWindow
}

/**
 * Has every register as every program is to find it: the device has no reset, and keeps what programs, and whoever had it before them,
 * have left. Bus mastering is off, so that no memory is touched.
 */
export async function bringToRest(edu: Edu): Promise<void> {
  const { registers } = edu
  registers.write32(register.status, 0)
  registers.write32(register.factorial, 0)
  await untilComputed(edu)
  // Only a transfer changes what the command register shows of the last one.
  if (registers.read32(register.command) !== 0) {
    setTransfer(registers, { source: 0, destination: BUFFER_ADDRESS, count: 1 })
    registers.write32(register.command, 1)
    await untilTransferred(edu)
  }
  setTransfer(registers, { source: 0, destination: 0, count: 0 })
  registers.write32(register.liveness, 0)
  registers.write32(register.acknowledge, 0xffff_ffff)
}

function setTransfer(
  registers: RegisterWindow,
  values: { source: number; destination: number; count: number },
): void {
  for (const [name, value] of Object.entries(values)) {
    registers.write64(register[name as keyof typeof values], value, 0)
  }
}

/** Waits until the device has ended what it does: a tenth of a second for a transfer, whose registers say when. */
export async function untilIdle(edu: Edu): Promise<void> {
  await untilTransferred(edu)
  await untilComputed(edu)
}

async function untilTransferred({ kernel, registers }: Edu): Promise<void> {
  if ((registers.read32(register.command) & 1) !== 0) await kernel.clock.sleep(TRANSFER)
  while ((registers.read32(register.command) & 1) !== 0) await kernel.clock.sleep(2)
}

/** Waits for a factorial, which is soon done. */
export async function untilComputed({ kernel, registers }: Edu): Promise<void> {
  while ((registers.read32(register.status) & 1) !== 0) await kernel.clock.sleep(1)
}
