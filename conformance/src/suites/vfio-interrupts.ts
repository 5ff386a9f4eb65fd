import assert from 'node:assert/strict'
import type { InterruptKind, VfioDevice } from '@linux-dma/vfio'
import { EDU_ACKNOWLEDGE, EDU_INTERRUPT_STATUS, EDU_RAISE, settle } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withDevice } from '../with-device'

function raise(device: VfioDevice, cause = 1): void {
  device.bar(0).write32(EDU_RAISE, cause)
}

function acknowledge(device: VfioDevice): number {
  const registers = device.bar(0)
  const causes = registers.read32(EDU_INTERRUPT_STATUS)
  registers.write32(EDU_ACKNOWLEDGE, causes)
  return causes
}

/** Interrupts of the edu device: one MSI vector, or the pin. */
export function vfioInterrupts({ describe, it }: Runner, host: Host): void {
  const { kernel } = host

  describe('vfio interrupts', () => {
    for (const kind of ['msi', 'intx'] as const satisfies readonly InterruptKind[]) {
      it(`delivers ${kind} through for await`, () =>
        withDevice(host, async (device) => {
          device.setMaster()
          const seen: number[] = []
          raise(device, 0x10)
          acknowledge(device)
          const stream = device.interrupts({ kind })
          raise(device, 0x01)
          for await (const { vector, count } of stream) {
            assert.equal(vector, 0)
            assert.ok(count >= 1)
            seen.push(acknowledge(device))
            if (seen.length === 5) break
            raise(device, 1 << seen.length)
          }
          assert.deepEqual(seen, [1, 2, 4, 8, 16])
        }))
    }

    it('takes MSI where the device has it', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using stream = device.interrupts()
        assert.equal(stream.kind, 'msi')
      }))

    it('refuses MSI while the device may not write, since it would never come', () =>
      withDevice(host, async (device) => {
        refusal(() => device.interrupts({ kind: 'msi' }), 'DMA_BUS_MASTER_OFF', /setMaster/)
        device.setMaster()
        using stream = device.interrupts({ kind: 'msi' })
        device.clearMaster()
        await assert.rejects(stream.wait({ timeoutMilliseconds: 5 }), (error: Error & { hint?: string }) =>
          /bus mastering is off/.test(error.hint ?? ''),
        )
      }))

    it('keeps what comes before anybody waits, and counts it', () =>
      withDevice(host, async (device) => {
        device.setMaster()
        using stream = device.interrupts({ kind: 'msi' })
        for (let i = 0; i < 3; i++) {
          raise(device)
          acknowledge(device)
          // Two messages that arrive at once may become one, on any hardware.
          await settle(kernel)
        }
        assert.equal(stream.pending, 3)
        assert.deepEqual(await stream.wait({ timeoutMilliseconds: 1000 }), { vector: 0, count: 3 })
      }))

    it('masks INTx at each interrupt, and unmasks when the next is asked for', () =>
      withDevice(host, async (device) => {
        device.setMaster()
        using stream = device.interrupts({ kind: 'intx' })
        raise(device)
        assert.deepEqual(await stream.wait({ timeoutMilliseconds: 1000 }), { vector: 0, count: 1 })
        // The cause is still asserted and the line masked: nothing more may come until the next wait unmasks it.
        await settle(kernel)
        assert.equal(stream.pending, 0)
        assert.equal((await stream.wait({ timeoutMilliseconds: 1000 })).count, 1)
        acknowledge(device)
        await assert.rejects(stream.wait({ timeoutMilliseconds: 30 }), { code: 'ETIMEDOUT' })
      }))

    it('holds INTx back while it is masked', () =>
      withDevice(host, async (device) => {
        device.setMaster()
        using stream = device.interrupts({ kind: 'intx' })
        stream.mask()
        raise(device)
        await settle(kernel)
        assert.equal(stream.pending, 0)
        // Asking for the next interrupt does not end a mask that the driver set.
        await assert.rejects(stream.wait({ timeoutMilliseconds: 30 }), { code: 'ETIMEDOUT' })
        stream.unmask()
        assert.equal((await stream.wait({ timeoutMilliseconds: 1000 })).count, 1)
        acknowledge(device)
      }))

    it('says that MSI cannot be masked', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using stream = device.interrupts({ kind: 'msi' })
        refusal(() => stream.mask(), 'DMA_NOT_MASKABLE')
        refusal(() => stream.unmask(), 'DMA_NOT_MASKABLE')
      }))

    it('ends with the signal’s reason', () =>
      withDevice(host, async (device) => {
        device.setMaster()
        const controller = new AbortController()
        const stream = device.interrupts({ signal: controller.signal })
        const waiting = stream.next()
        const reason = new Error('stopped by the user')
        controller.abort(reason)
        await assert.rejects(waiting, reason)
        await assert.rejects(stream.next(), reason)
        device.interrupts().close()
      }))

    it('refuses a signal that is already aborted, and stays free', () =>
      withDevice(host, (device) => {
        device.setMaster()
        const reason = new Error('too late')
        assert.throws(() => device.interrupts({ signal: AbortSignal.abort(reason) }), reason)
        device.interrupts().close()
      }))

    it('refuses a second consumer', () =>
      withDevice(host, async (device) => {
        device.setMaster()
        using stream = device.interrupts()
        refusal(() => device.interrupts(), 'DMA_INTERRUPT_IN_USE', /close the other/)
        const first = stream.next()
        await assert.rejects(stream.next(), { code: 'DMA_INTERRUPT_IN_USE' })
        stream.close()
        assert.deepEqual(await first, { done: true, value: undefined })
      }))

    it('ends when the device closes', () =>
      withDevice(host, async (device) => {
        device.setMaster()
        const stream = device.interrupts()
        const waiting = stream.next()
        device.close()
        assert.deepEqual(await waiting, { done: true, value: undefined })
        assert.deepEqual(await stream.next(), { done: true, value: undefined })
        await assert.rejects(stream.wait({ timeoutMilliseconds: 10 }), { code: 'DMA_CLOSED' })
        refusal(() => device.interrupts(), 'DMA_CLOSED')
      }))

    it('times out when none comes, and goes on', () =>
      withDevice(host, async (device) => {
        device.setMaster()
        using stream = device.interrupts()
        await assert.rejects(stream.wait({ timeoutMilliseconds: 20 }), { code: 'ETIMEDOUT' })
        raise(device)
        assert.equal((await stream.wait({ timeoutMilliseconds: 1000 })).count, 1)
        acknowledge(device)
      }))

    it('takes what came in time, however late the thread looks', () =>
      withDevice(host, async (device) => {
        device.setMaster()
        using stream = device.interrupts()
        const waiting = stream.wait({ timeoutMilliseconds: 20 })
        raise(device)
        const start = performance.now()
        while (performance.now() - start < 60);
        assert.equal((await waiting).count, 1)
        acknowledge(device)
      }))

    it('raises interrupts in the device’s stead', () =>
      withDevice(host, async (device) => {
        device.setMaster()
        using stream = device.interrupts()
        stream.trigger()
        assert.deepEqual(await stream.wait({ timeoutMilliseconds: 1000 }), { vector: 0, count: 1 })
        refusal(() => stream.trigger(1), 'DMA_INVALID_ARGUMENT', /vectors: n/)
        stream.close()
        refusal(() => stream.trigger(), 'DMA_CLOSED')
      }))

    it('refuses times and signals that are none', () =>
      withDevice(host, async (device) => {
        device.setMaster()
        for (const signal of [{}, { throwIfAborted() {} }, 5]) {
          refusal(() => device.interrupts({ signal: signal as never }), 'DMA_INVALID_ARGUMENT', undefined)
        }
        using stream = device.interrupts()
        for (const timeoutMilliseconds of ['5', -1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, undefined]) {
          await assert.rejects(stream.wait({ timeoutMilliseconds: timeoutMilliseconds as number }), {
            code: 'DMA_INVALID_ARGUMENT',
          })
        }
      }))

    it('refuses what the device does not have', () =>
      withDevice(host, (device) => {
        device.setMaster()
        refusal(() => device.interrupts({ kind: 'msix' }), 'DMA_NO_INTERRUPT', /msi \(1\), intx \(1\)/)
        refusal(() => device.interrupts({ vectors: 2 }), 'DMA_INVALID_ARGUMENT', /1 msi/)
        refusal(() => device.interrupts({ vectors: 0 }), 'DMA_INVALID_ARGUMENT')
        refusal(() => device.interrupts({ kind: 'irq' as never }), 'DMA_INVALID_ARGUMENT')
        refusal(() => device.interrupts({ knid: 'msi' } as never), 'DMA_INVALID_ARGUMENT', /kind/)
      }))

    it('can be taken again and again', () =>
      withDevice(host, async (device) => {
        device.setMaster()
        for (let i = 0; i < 10; i++) {
          using stream = device.interrupts({ kind: i % 2 ? 'msi' : 'intx' })
          raise(device)
          assert.ok((await stream.wait({ timeoutMilliseconds: 1000 })).count >= 1)
          acknowledge(device)
        }
      }))
  })
}
