import assert from 'node:assert/strict'
import { bindDriver } from '@linux-dma/pci'
import { openUio, type UioDevice, type UioInterruptStream } from '@linux-dma/uio'
import { EDU_ACKNOWLEDGE, EDU_INTERRUPT_STATUS, EDU_RAISE, settle } from '../edu'
import type { Host, Runner } from '../host'
import { refusal } from '../with-device'
import { commandOf, INTX_DISABLE, until, withUio, writeCommand } from '../with-uio'

function raise(device: UioDevice, cause = 1): void {
  device.bar(0).write32(EDU_RAISE, cause)
}

function acknowledge(device: UioDevice): number {
  const registers = device.bar(0)
  const causes = registers.read32(EDU_INTERRUPT_STATUS)
  registers.write32(EDU_ACKNOWLEDGE, causes)
  return causes
}

async function countOf(stream: UioInterruptStream): Promise<number> {
  return (await stream.wait({ timeoutMilliseconds: 5000 })).count
}

/** Interrupts of the edu device's pin under uio_pci_generic, which masks it at each. */
export function uioInterrupts({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const masked = () => (commandOf(host) & INTX_DISABLE) !== 0

  describe('uio interrupts', () => {
    it('delivers them through for await, and leaves the pin at its end as it was', () =>
      withUio(host, async (device) => {
        const seen: number[] = []
        writeCommand(host, commandOf(host) & ~INTX_DISABLE)
        const stream = device.interrupts()
        assert.equal(stream.kind, 'intx')
        raise(device)
        for await (const { vector, count } of stream) {
          assert.deepEqual([vector, count], [0, 1])
          seen.push(acknowledge(device))
          if (seen.length === 5) break
          raise(device, 1 << seen.length)
        }
        assert.deepEqual(seen, [1, 2, 4, 8, 16])
        assert.equal(stream.closed, true)
        assert.equal(masked(), false, 'another program may count on it')
        writeCommand(host, commandOf(host) | INTX_DISABLE)
        const later = device.interrupts()
        assert.equal(masked(), false)
        later.close()
        assert.equal(masked(), true)
      }))

    it('counts those that come before anybody waits, from interrupts() on', () =>
      withUio(host, async (device) => {
        using stream = device.interrupts()
        const before = device.eventCount
        raise(device)
        await until(kernel, () => stream.pending > 0)
        assert.deepEqual([stream.pending, device.eventCount], [1, before + 1])
        assert.equal(await countOf(stream), 1)
        acknowledge(device)
        stream.close()
        using later = device.interrupts()
        await settle(kernel)
        assert.equal(later.pending, 0, 'what an earlier consumer had is not told again')
      }))

    it('masks the pin at each, and unmasks it when the next is asked for', () =>
      withUio(host, async (device) => {
        using stream = device.interrupts()
        raise(device)
        assert.equal(await countOf(stream), 1)
        assert.equal(masked(), true)
        raise(device, 2)
        await settle(kernel)
        assert.equal(stream.pending, 0, 'held back while it is handled')
        assert.equal(await countOf(stream), 1, 'still asserted: it comes at once')
        acknowledge(device)
        await assert.rejects(stream.wait({ timeoutMilliseconds: 30 }), { code: 'ETIMEDOUT' })
        assert.equal(masked(), false)
      }))

    it('unmasks what an earlier program left masked, and takes what is still asserted', () =>
      withUio(host, async (device) => {
        writeCommand(host, commandOf(host) | INTX_DISABLE)
        raise(device)
        using stream = device.interrupts()
        assert.equal(await countOf(stream), 1)
        acknowledge(device)
      }))

    it('takes what is asserted since before the driver was bound', () =>
      withUio(host, async (device) => {
        raise(device)
        device.close()
        bindDriver(host.edu, null, { kernel })
        bindDriver(host.edu, 'uio_pci_generic', { kernel })
        using again = openUio({ pci: host.edu }, { kernel })
        using stream = again.interrupts()
        assert.equal(await countOf(stream), 1)
        assert.equal(acknowledge(again), 1)
      }))

    it('holds them back from disable() to enable()', () =>
      withUio(host, async (device) => {
        using stream = device.interrupts()
        stream.disable()
        raise(device)
        // Asking for the next one does not end it.
        await assert.rejects(stream.wait({ timeoutMilliseconds: 30 }), ({ code, hint }) => {
          assert.match(hint, /enable\(\)/)
          return code === 'ETIMEDOUT'
        })
        stream.enable()
        assert.equal(await countOf(stream), 1)
        acknowledge(device)
        stream.close()
        refusal(() => stream.enable(), 'DMA_CLOSED')
        refusal(() => stream.disable(), 'DMA_CLOSED')
      }))

    it('leaves bus mastering as it is', () =>
      withUio(host, async (device) => {
        device.setMaster()
        const stream = device.interrupts()
        raise(device)
        assert.equal(await countOf(stream), 1)
        // Masked by the kernel: that must stay while bus mastering changes.
        device.clearMaster()
        assert.equal(masked(), true)
        device.setMaster()
        assert.equal(masked(), true)
        acknowledge(device)
        stream.close()
        assert.equal(device.busMaster, true)
      }))

    it('times out when none comes, and goes on', () =>
      withUio(host, async (device) => {
        using stream = device.interrupts()
        await assert.rejects(stream.wait({ timeoutMilliseconds: 20 }), { code: 'ETIMEDOUT' })
        raise(device)
        assert.equal(await countOf(stream), 1)
        acknowledge(device)
      }))

    it('ends with the signal’s reason, and is free again', () =>
      withUio(host, async (device) => {
        const controller = new AbortController()
        const stream = device.interrupts({ signal: controller.signal })
        const waiting = stream.next()
        const reason = new Error('stopped by the user')
        controller.abort(reason)
        await assert.rejects(waiting, reason)
        await assert.rejects(stream.next(), reason)
        assert.throws(() => device.interrupts({ signal: AbortSignal.abort(reason) }), reason)
        device.interrupts().close()
      }))

    it('ends when the device closes', () =>
      withUio(host, async (device) => {
        const stream = device.interrupts()
        const waiting = stream.next()
        device.close()
        assert.deepEqual(await waiting, { done: true, value: undefined })
        assert.deepEqual(await stream.next(), { done: true, value: undefined })
        refusal(() => device.interrupts(), 'DMA_CLOSED')
      }))

    it('has one consumer, among all who have the device open', () =>
      withUio(host, async (device) => {
        using second = openUio(device.node, { kernel })
        const stream = device.interrupts()
        refusal(() => device.interrupts(), 'DMA_INTERRUPT_IN_USE', /close the other/)
        refusal(() => second.interrupts(), 'DMA_INTERRUPT_IN_USE', /close the other/)
        const first = stream.next()
        await assert.rejects(stream.next(), { code: 'DMA_INTERRUPT_IN_USE' })
        second.close()
        raise(device)
        assert.deepEqual(await first, { done: false, value: { vector: 0, count: 1 } })
        acknowledge(device)
        stream.close()
        using third = openUio(device.node, { kernel })
        third.interrupts().close()
      }))

    it('takes what came in time, however late the thread looks', () =>
      withUio(host, async (device) => {
        using stream = device.interrupts()
        const waiting = stream.wait({ timeoutMilliseconds: 20 })
        raise(device)
        const start = performance.now()
        while (performance.now() - start < 60);
        assert.equal((await waiting).count, 1)
        acknowledge(device)
      }))

    it('refuses wrong options', () =>
      withUio(host, (device) => {
        for (const signal of [{}, { throwIfAborted() {} }, 5]) {
          refusal(() => device.interrupts({ signal: signal as never }), 'DMA_INVALID_ARGUMENT')
        }
        refusal(() => device.interrupts({ kind: 'msi' } as never), 'DMA_INVALID_ARGUMENT', /signal/)
        device.interrupts().close()
      }))

    it('can be taken again and again, and loses none', () =>
      withUio(host, async (device) => {
        for (let i = 0; i < 10; i++) {
          using stream = device.interrupts()
          for (let j = 0; j < 3; j++) {
            raise(device)
            assert.equal(await countOf(stream), 1)
            acknowledge(device)
          }
        }
      }))
  })
}
