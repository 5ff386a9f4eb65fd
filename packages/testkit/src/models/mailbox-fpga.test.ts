import { bounceOps, DmaDirection, dmaAllocCoherent, dmaMapSingle, setDmaOps } from '@linux-dma/core'
import { openUDmaBuf, uDmaBufOps } from '@linux-dma/udmabuf'
import { openUio } from '@linux-dma/uio'
import { describe, expect, it } from 'vitest'
import { openDevice } from '../fixtures/opened-device'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'
import { createMailboxFpga, type MailboxFpga } from './mailbox-fpga'
import { mailboxCause, mailboxCommand, mailboxError } from './mailbox-fpga-registers'

const reg = {
  ...{ id: 0x00, status: 0x04, command: 0x08, doorbell: 0x0c, argument: 0x10, result: 0x20 },
  ...{ bufferAddress: 0x30, bufferLength: 0x38, interruptStatus: 0x40, interruptEnable: 0x44 },
} as const
const window = 0x800

interface Registers {
  read32(byteOffset: number): number
  write32(byteOffset: number, value: number): void
}

interface Interrupts {
  wait(options: { timeoutMilliseconds: number }): Promise<unknown>
}

/** A small driver: one command at a time. `endian` is that of the registers. */
class Driver {
  readonly #registers: Registers
  readonly #interrupts: Interrupts
  readonly #swap: boolean

  constructor(registers: Registers, interrupts: Interrupts, endian: 'little' | 'big' = 'little') {
    this.#registers = registers
    this.#interrupts = interrupts
    this.#swap = endian === 'big'
    this.write(reg.interruptEnable, 3)
  }

  read(byteOffset: number): number {
    return this.#turn(this.#registers.read32(byteOffset))
  }

  write(byteOffset: number, value: number): void {
    this.#registers.write32(byteOffset, this.#turn(value))
  }

  setBuffer(address: number, byteLength: number): void {
    const [high, low] = [Math.floor(address / 2 ** 32), address % 2 ** 32]
    this.write(reg.bufferAddress, this.#swap ? high : low)
    this.write(reg.bufferAddress + 4, this.#swap ? low : high)
    this.write(reg.bufferLength, byteLength)
  }

  async wait(): Promise<number> {
    await this.#interrupts.wait({ timeoutMilliseconds: 100 })
    const causes = this.read(reg.interruptStatus)
    this.write(reg.interruptStatus, causes)
    return causes
  }

  /** Sends a command. The results, or the error that the status shows. */
  async send(command: number, ...request: number[]): Promise<number[] | { error: number }> {
    request.forEach((value, index) => {
      this.write(reg.argument + index * 4, value)
    })
    this.write(reg.command, command)
    this.write(reg.doorbell, 1)
    expect(this.read(reg.status)).toBe(1)
    expect(await this.wait()).toBe(mailboxCause.done)
    const status = this.read(reg.status)
    return status === 0 ? [0, 4, 8, 12].map((at) => this.read(reg.result + at)) : { error: status >>> 8 }
  }

  #turn(value: number): number {
    if (!this.#swap) return value
    const view = new DataView(new ArrayBuffer(4))
    view.setUint32(0, value, true)
    return view.getUint32(0)
  }
}

describe.each(['little', 'big'] as const)('a mailbox of %s-endian registers', (endian) => {
  function opened() {
    const host = openDevice(createMailboxFpga({ endian }))
    const buffer = host.allocate(4096)
    const driver = new Driver(host.registers, host.device.interrupts(), endian)
    return { ...host, buffer, driver }
  }

  it('answers commands', async () => {
    const { driver, model } = opened()
    expect(driver.read(reg.id)).toBe(0xf96a_0001)
    expect(await driver.send(mailboxCommand.echo, 1, 2, 3, 0xffff_ffff)).toEqual([1, 2, 3, 0xffff_ffff])
    model.side.answer(0x10, ([a = 0, b = 0]) => [a + b])
    expect(await driver.send(0x10, 40, 2)).toEqual([42, 0, 0, 0])
    model.side.answer(0x10, () => 'refused')
    expect(await driver.send(0x10)).toEqual({ error: mailboxError.refused })
    expect(await driver.send(0x99)).toEqual({ error: mailboxError.unknownCommand })
    expect(model.side.requests.map(({ command }) => command)).toEqual([1, 0x10, 0x10, 0x99])
  })

  it('copies between its memory and a buffer, byte for byte', async () => {
    const { driver, buffer, registers, model } = opened()
    const text = new TextEncoder().encode('a mailbox')
    buffer.bytes.set(text)
    driver.setBuffer(Number(buffer.dmaAddress), text.byteLength)
    expect(await driver.send(mailboxCommand.fromMemory, 16)).toEqual([9, 0, 0, 0])
    expect([...model.windows.memory.subarray(16, 25)]).toEqual([...text])
    expect(registers.read8(window + 18)).toBe('m'.charCodeAt(0))
    driver.setBuffer(Number(buffer.dmaAddress) + 100, text.byteLength)
    expect(await driver.send(mailboxCommand.toMemory, 16)).toEqual([9, 0, 0, 0])
    expect([...buffer.bytes.subarray(99, 110)]).toEqual([0, ...text, 0])
  })

  it('tells what went wrong with a copy', async () => {
    const { driver, machine } = opened()
    driver.setBuffer(0x900000, 16)
    expect(await driver.send(mailboxCommand.fromMemory, 0)).toEqual({ error: mailboxError.fault })
    expect(await driver.send(mailboxCommand.toMemory, 0)).toEqual({ error: mailboxError.fault })
    expect(await driver.send(mailboxCommand.toMemory, 0x7f8)).toEqual({ error: mailboxError.range })
    expect(machine.faults.map(({ direction }) => direction)).toEqual(['read', 'write'])
  })
})

it('loses a doorbell that is rung twice, and hangs when told to, until a reset', async () => {
  const model = createMailboxFpga({ commandMilliseconds: 5 })
  const { machine, registers, device } = openDevice(model)
  using interrupts = device.interrupts()
  const driver = new Driver(registers, interrupts)
  const answer = driver.send(mailboxCommand.echo, 7)
  driver.write(reg.doorbell, 1)
  expect([await answer, model.side.requests.length]).toEqual([[7, 0, 0, 0], 1])
  expect(machine.log[0]?.message).toMatch(/mailbox FPGA: the doorbell was rung for command 1/)
  model.side.hang(true)
  await expect(driver.send(mailboxCommand.echo)).rejects.toMatchObject({ code: 'ETIMEDOUT' })
  expect(registers.read32(reg.status)).toBe(1)
  device.reset()
  model.side.hang(false)
  driver.write(reg.interruptEnable, 3)
  expect(await driver.send(mailboxCommand.echo, 8)).toEqual([8, 0, 0, 0])
  model.side.event()
  expect(await driver.wait()).toBe(mailboxCause.event)
})

describe('as a platform device', () => {
  function platform(): { machine: ReturnType<typeof createFakeMachine>; model: MailboxFpga } {
    const machine = createFakeMachine({ iommu: 'off', kernelRelease: '6.8.0' })
    const model = createMailboxFpga()
    machine.addPlatformDevice(model, { driver: 'uio_dmem_genirq', dynamicRegions: [8192] })
    return { machine, model }
  }

  it('works with the memory of uio_dmem_genirq', async () => {
    const { machine, model } = platform()
    {
      using device = openUio({ name: 'mailbox-fpga' }, { kernel: machine.kernel })
      using interrupts = device.interrupts()
      using buffer = dmaAllocCoherent(device, 4096)
      const driver = new Driver(device.map(0), interrupts)
      buffer.bytes.fill(5, 0, 64)
      driver.setBuffer(Number(buffer.dmaAddress), 64)
      expect(await driver.send(mailboxCommand.fromMemory, 0)).toEqual([64, 0, 0, 0])
      expect(model.windows.memory[63]).toBe(5)
    }
    expect(model.address).toBe('mailbox-fpga.0')
    machine.assertQuiescent()
  })

  it('works with a u-dma-buf', async () => {
    const { machine, model } = platform()
    const { kernel } = machine
    machine.addUDmaBuf({ size: 1 << 16 })
    {
      using memory = openUDmaBuf('udmabuf0', { kernel })
      using device = openUio({ name: 'mailbox-fpga' }, { kernel })
      setDmaOps(device, bounceOps(uDmaBufOps(memory)))
      using interrupts = device.interrupts()
      const driver = new Driver(device.map(0), interrupts)
      model.windows.memory.fill(6)
      const bytes = memory.bytes.subarray(0, 256)
      {
        using mapping = dmaMapSingle(device, bytes, DmaDirection.FromDevice)
        driver.setBuffer(Number(mapping.dmaAddress), 256)
        expect(await driver.send(mailboxCommand.toMemory, 0)).toEqual([256, 0, 0, 0])
      }
      expect([memory.bytes[255], memory.bytes[256]]).toEqual([6, 0])
    }
    machine.assertQuiescent()
  })
})

it('refuses options that no FPGA has', () => {
  for (const options of [
    { endian: 'middle' },
    { commandMilliseconds: -1 },
    { bytesPerMillisecond: 0 },
    { order: 1 },
  ])
    expect(outcome(() => createMailboxFpga(options as never))).toBe('DMA_INVALID_ARGUMENT')
})
