import { DmaError, type Kernel } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import { openUio, type UioDevice } from '@linux-dma/uio'
import { kernel as real } from '../fixtures'
import { pair } from '../pair'
import type { Reference } from '../reference'
import { type Context, type Measured, type Row, single } from '../row'
import { quantile } from '../statistics'
import { arrival } from './interrupts'

const INTERVAL = 200_000
/** A million signals in a second. */
const STORM_INTERVAL = 1000
const NODE = '/dev/uio0'

/** The whole way of a UIO device's interrupt: to the body of `for await`, beside poll() and read() in C. */
export function uioRows(reference: Reference): Row[] {
  return [
    {
      name: 'UIO interrupt to handler, median',
      unit: 'µs',
      measure: (context) => compare(context, reference, 0.5),
    },
    {
      name: 'UIO interrupt to handler, 99th percentile',
      unit: 'µs',
      measure: (context) => compare(context, reference, 0.99),
    },
    {
      name: 'UIO signals miscounted in a storm',
      unit: 'signals',
      measure: (context) => storm(context, reference),
    },
  ]
}

function compare(context: Context, reference: Reference, share: number): Promise<Measured> {
  const signals = context.quick ? 500 : 2000
  return pair(
    context,
    () => latencyInC(reference, signals, share),
    () => latency(reference, signals, share),
    1,
  )
}

async function latencyInC(reference: Reference, signals: number, share: number): Promise<number> {
  const fd = real.eventfd()
  reference.startSignals(fd, signals, INTERVAL, 1, 1)
  await arrival(reference, signals)
  real.close(fd)
  return collect(reference, signals, share)
}

async function latency(reference: Reference, signals: number, share: number): Promise<number> {
  await withInterrupts(async (device, fd) => {
    const handled = handle(device, (count) => reference.arrive(count))
    reference.startSignals(fd, signals, INTERVAL, 1, 0)
    await arrival(reference, signals)
    device.close()
    await handled
  })
  return collect(reference, signals, share)
}

async function storm(context: Context, reference: Reference): Promise<Measured> {
  const signals = context.quick ? 1_000_000 : 10_000_000
  let counted = 0
  await withInterrupts(async (device, fd) => {
    const handled = handle(device, (count) => {
      counted += count
      reference.arrive(count)
    })
    reference.startSignals(fd, signals, STORM_INTERVAL, 0, 0)
    await arrival(reference, signals)
    device.close()
    await handled
    collect(reference, 0, 0.5)
  })
  return single(Math.abs(signals - counted), signals)
}

/** A driver's loop. It ends when the device is closed. */
async function handle(device: UioDevice, handler: (count: number) => void): Promise<void> {
  for await (const { count } of device.interrupts()) handler(count)
}

function collect(reference: Reference, signals: number, share: number): number {
  const nanoseconds = new Float64Array(signals)
  reference.collectSignals(nanoseconds)
  return signals === 0 ? 0 : quantile(nanoseconds, share) / 1000
}

/**
 * A UIO device on a machine without any: what sysfs says is a fake machine's, and its node is a real eventfd, whose counts
 * come in total, as those of a UIO node do.
 */
async function withInterrupts(use: (device: UioDevice, fd: number) => Promise<void>): Promise<void> {
  const machine = createFakeMachine()
  machine.registerUio({ name: 'bench', version: '1', irq: 'custom' })
  const fake = machine.kernel
  const fd = real.eventfd()
  let node = -1
  let total = 0
  const overrides: Partial<Kernel> = {
    clock: real.clock,
    open(path, flags) {
      const opened = fake.open(path, flags)
      if (path === NODE) node = opened
      return opened
    },
    read(descriptor, bytes, position) {
      if (descriptor !== node) return fake.read(descriptor, bytes, position)
      throw new DmaError('EAGAIN', 'nothing came', { errno: -11, syscall: 'read' })
    },
    watch: (_node, _byteLength, listener) =>
      real.watch(fd, 8, {
        onCount(count) {
          total = (total + count) >>> 0
          listener.onCount(total)
        },
        onError: (error) => listener.onError(error),
      }),
  }
  const kernel = new Proxy(fake, {
    get(target, name) {
      const own: unknown = Reflect.get(overrides, name)
      if (own !== undefined) return own
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  try {
    using device = openUio('uio0', { kernel })
    await use(device, fd)
  } finally {
    real.close(fd)
  }
}
