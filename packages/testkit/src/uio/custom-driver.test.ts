import { F_SEAL_WRITE, O_RDONLY, O_RDWR, POLLIN } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { rawUio } from '../fixtures/raw-uio'
import { createFakeMachine } from '../machine'
import type { FakeMachineOptions } from '../machine-options'
import type { UioInfo } from './info'

const page = 4096

/** One map of each kind of memory. */
const info: UioInfo = {
  name: 'lab_uio',
  version: '1',
  mem: [
    { name: 'logical', memtype: 'logical', byteLength: 8192 },
    { name: 'virtual', memtype: 'virtual', byteLength: 5000, byteOffset: 0x40 },
    { name: 'coherent', memtype: 'dma-coherent', byteLength: 16384 },
    { memtype: 'phys', byteLength: 5000 },
  ],
  irq: 'custom',
}

function registered(options: FakeMachineOptions = { iommu: 'off' }, more: Partial<UioInfo> = {}) {
  const machine = createFakeMachine(options)
  const device = machine.registerUio({ ...info, ...more })
  const { kernel } = machine
  const uio = rawUio(kernel)
  const fd = uio.open()
  const map = (byteLength: number, index: number) => kernel.mmap(fd, { byteLength, position: index * page })
  return { machine, device, kernel, uio, fd, map }
}

describe('maps of memory', () => {
  it('are in sysfs, with addresses of their kinds', () => {
    const { kernel, uio } = registered()
    expect(kernel.list('/sys/class/uio/uio0/maps')).toEqual(['map0', 'map1', 'map2', 'map3'])
    const files = ['name', 'addr', 'size', 'offset']
    const shown = [0, 1, 2, 3].map((index) => files.map((file) => uio.text(`maps/map${index}/${file}`)))
    expect(shown).toEqual([
      ['logical', '0xff11000002640000', '0x0000000000002000', '0x0'],
      ['virtual', expect.stringMatching(/^0xffa0[0-9a-f]{12}$/), '0x0000000000001388', '0x40'],
      ['coherent', '0xff11000002644000', '0x0000000000004000', '0x0'],
      ['', '0x0000000002648000', '0x0000000000001388', '0x0'],
    ])
  })

  it('are what the driver has in memory', () => {
    const { device, map } = registered()
    for (const index of [0, 1, 2, 3]) {
      device.bytes(index)[1] = 0x10 + index
      const mapping = map(page, index)
      expect(mapping.bytes[1]).toBe(0x10 + index)
      mapping.bytes[2] = 9
      expect(device.bytes(index)[2]).toBe(9)
      mapping.close()
      expect(device.bytes(index)[2]).toBe(9)
    }
  })

  it('can be mapped from their start, to their last page', () => {
    const { kernel, fd } = registered()
    const rows: [byteLength: number, index: number, expected: string][] = [
      [8192, 0, 'OK(0)'],
      [8193, 0, 'EINVAL'],
      [100, 0, 'OK(0)'],
      // 5000 bytes are two pages of the kernel's own memory, and one of what is mapped by its physical address.
      [8192, 1, 'OK(0)'],
      [8193, 1, 'EINVAL'],
      [16384, 2, 'OK(0)'],
      [16385, 2, 'EINVAL'],
      [4096, 3, 'OK(0)'],
      [4097, 3, 'EINVAL'],
      [4096, 4, 'EINVAL'],
      [4096, 5, 'EINVAL'],
      [4096, 0xfffff, 'EINVAL'],
      [4096, 0x10000, 'EINVAL'],
    ]
    for (const [byteLength, index, expected] of rows) {
      const options = { byteLength, position: index * page }
      const answers = [
        outcome(() => kernel.mmap(fd, options).close()),
        outcome(() => kernel.mapRegisters(fd, options).close()),
      ]
      expect([byteLength, index, ...answers]).toEqual([byteLength, index, expected, expected])
    }
  })

  it('can be read like registers', () => {
    const { machine, device, kernel, fd, uio } = registered()
    const window = kernel.mapRegisters(fd, { byteLength: 16, position: 2 * page })
    const { bytes } = kernel.mmap(fd, { byteLength: 16, position: 2 * page })
    window.write64(0, 0x5566_7788, 0x1122_3344)
    window.write32(8, 0xdead_beef)
    window.write16(12, 0x1234)
    window.write8(14, 0x56)
    expect([window.read64(0), window.read32(8), window.read16(12), window.read8(14)]).toEqual([
      0x1122_3344_5566_7788n,
      0xdead_beef,
      0x1234,
      0x56,
    ])
    expect([...bytes.subarray(8, 15)]).toEqual([0xef, 0xbe, 0xad, 0xde, 0x34, 0x12, 0x56])
    expect(device.bytes(2)[0]).toBe(0x88)
    expect(outcome(() => window.read32(16))).toBe('DMA_RANGE')
    const readOnly = uio.open(0, O_RDONLY)
    const view = kernel.mapRegisters(readOnly, { byteLength: 16, access: 'read' })
    expect(outcome(() => view.write8(0, 1))).toBe('DMA_READ_ONLY')
    expect(outcome(() => kernel.mmap(readOnly, { byteLength: 16 }))).toBe('EACCES')
    expect(() => machine.assertQuiescent()).toThrow('register window on memory of /dev/uio0, 16 bytes')
  })

  it('show frames in pagemap where their pages are known as pages, and can be pinned there', () => {
    const frames = (options: FakeMachineOptions) => {
      const { kernel, map } = registered(options)
      return [0, 1, 2, 3].map((index) => {
        const mapping = map(page, index)
        const entries = new BigUint64Array(1)
        kernel.readPagemap(mapping.address, entries)
        return [entries[0] !== 0n, outcome(() => kernel.pin(mapping).close())]
      })
    }
    const known = [true, 'OK(0)']
    const unknown = [false, 'EFAULT']
    expect(frames({ iommu: 'off' })).toEqual([known, known, unknown, unknown])
    // Behind an IOMMU, coherent memory is pages that the kernel sees in one piece.
    expect(frames({ iommu: 'on' })).toEqual([known, known, known, unknown])
  })

  it('are poisoned where the driver frees what is mapped, with a line in the log', () => {
    const { machine, device, map } = registered()
    const mappings = [0, 1, 2, 3].map((index) => map(page, index))
    for (const { bytes } of mappings) bytes.fill(7)
    device.unregister()
    device.unregister()
    expect(mappings.map(({ bytes }) => bytes[0])).toEqual([7, 7, 0x6b, 7])
    const bySignal = 'on Linux a page that it has not accessed before raises SIGBUS now'
    const lost = [bySignal, bySignal, 'on Linux it sees memory of somebody else now']
    expect(machine.log).toEqual(
      ['logical', 'virtual', 'coherent'].map((name, index) => ({
        time: 0,
        device: 'lab_uio',
        message: `map ${index} '${name}' is freed while a program has it mapped: ${lost[index]}`,
      })),
    )
    for (const mapping of mappings) mapping.close()
  })

  it('keep the pages that were accessed like registers, and raise SIGBUS for others', () => {
    const { device, kernel, fd } = registered()
    const windows = [0, 1, 2].map((index) =>
      kernel.mapRegisters(fd, { byteLength: 8192, position: index * page }),
    )
    for (const window of windows) window.write32(64, 7)
    const answers = () =>
      windows.map((window) => [64, 4092, 4096].map((at) => outcome(() => window.read32(at))))
    device.unregister()
    const kept = ['OK(7)', 'OK(0)', 'DMA_BUS_ERROR']
    const poisoned = `OK(${0x6b6b_6b6b})`
    expect(answers()).toEqual([kept, kept, [poisoned, poisoned, poisoned]])
    for (const window of windows) window.close()
  })

  it('keep their pages behind an IOMMU, which the device no longer reaches', () => {
    const { machine, device, map } = registered({ iommu: 'on' })
    const mapping = map(page, 2)
    mapping.bytes.fill(7)
    device.unregister()
    expect(mapping.bytes[0]).toBe(7)
    expect(machine.log[0]?.message).toContain('the device no longer reaches what is seen there')
  })

  it('of registers are answered by a model', () => {
    const model = new PlainDevice()
    const { kernel, fd, uio } = registered(
      {},
      { mem: [{ name: 'regs', memtype: 'phys', byteLength: page, model }] },
    )
    const window = kernel.mapRegisters(fd, { byteLength: page })
    window.write32(8, 5)
    expect(model.accesses).toEqual(['write32 0:8'])
    expect(outcome(() => kernel.mmap(fd, { byteLength: page }))).toBe('DMA_NOT_MEMORY')
    expect(outcome(() => kernel.mmap(fd, { byteLength: 2 * page }))).toBe('EINVAL')
    model.interrupt(0)
    expect(uio.read(fd)).toBe(1)
    expect(model.address).toBe('lab_uio')
  })
})

describe('events', () => {
  it('are counted from the open on, for each file by itself', () => {
    const { device, uio, fd } = registered()
    device.notify(3)
    const second = uio.open()
    expect([uio.read(fd), outcome(() => uio.read(second))]).toEqual([3, 'EAGAIN'])
    device.notify()
    expect([uio.read(fd), uio.read(second), uio.text('event')]).toEqual([4, 4, '4'])
  })

  it('wake one who polls, and one who watches, once for a million', async () => {
    const { device, kernel, fd } = registered()
    const counts: number[] = []
    const polled = kernel.poll(fd, POLLIN)
    device.notify(1_000_000)
    expect(await polled).toBe(POLLIN)
    const watch = kernel.watch(fd, 4, { onCount: (count) => counts.push(count), onError: () => {} })
    device.notify(1_000_000)
    await kernel.clock.sleep(1)
    watch.close()
    expect(counts).toEqual([2_000_000])
  })

  it('go round at 2^32: a signed word to a program, an unsigned one in sysfs', () => {
    const { device, uio, fd } = registered()
    device.notify(0xffff_ffff)
    expect([uio.read(fd), uio.text('event')]).toEqual([-1, '4294967295'])
    device.notify()
    expect([uio.read(fd), uio.text('event')]).toEqual([0, '0'])
  })

  it('are waited for where the file was opened so, in virtual time', () => {
    const { machine, device, uio } = registered()
    const blocking = uio.open(0, O_RDWR)
    machine.clock.schedule(5, () => device.notify())
    expect([uio.read(blocking), machine.clock.now()]).toEqual([1, 5])
    expect(outcome(() => uio.read(blocking))).toBe('DMA_WOULD_BLOCK')
    machine.clock.schedule(5, () => device.unregister())
    expect(outcome(() => uio.read(blocking))).toBe('EIO')
  })

  it('end when the device does: pollers and watchers are told', async () => {
    const { device, kernel, fd, uio } = registered()
    const other = uio.open()
    const polled = kernel.poll(fd, POLLIN)
    const ended = new Promise<Error>((onError) => kernel.watch(other, 4, { onCount: () => {}, onError }))
    device.unregister()
    expect(await polled).toBe(0x19)
    expect(await ended).toMatchObject({ code: 'EIO' })
    expect(outcome(() => device.notify())).toBe('DMA_CLOSED')
    expect(outcome(() => device.name)).toBe('DMA_CLOSED')
  })

  it('are none without an interrupt', async () => {
    const { kernel, uio, fd } = registered({}, { irq: 'none', mem: [], name: 'silent' })
    expect(['read', 'write'].map((verb) => outcome(() => uio[verb as 'read'](fd)))).toEqual(['EIO', 'EIO'])
    expect(outcome(() => kernel.read(fd, new Uint8Array(8)))).toBe('EINVAL')
    expect(await kernel.poll(fd, POLLIN)).toBe(0x19)
    expect(outcome(() => kernel.list('/sys/class/uio/uio0/maps'))).toBe('ENOENT')
  })
})

describe('a driver', () => {
  it('hears of opens, closes and what is written', () => {
    const heard: unknown[] = []
    const { machine, kernel, uio, fd, map } = registered(
      {},
      {
        open: () => heard.push('open'),
        release: () => heard.push('release'),
        irqcontrol: (on) => heard.push(on),
      },
    )
    for (const on of [0, 1, -2]) uio.write(fd, on)
    kernel.close(uio.open())
    const mapping = map(page, 0)
    kernel.close(fd)
    expect(heard).toEqual(['open', 0, 1, -2, 'open', 'release'])
    mapping.close()
    expect(heard.at(-1)).toBe('release')
    machine.assertQuiescent()
  })

  it('that has no irqcontrol answers ENOSYS', () => {
    const { uio, fd } = registered()
    expect(outcome(() => uio.write(fd, 1))).toBe('ENOSYS')
  })

  it('has files in the directory of its device, while it has the device', () => {
    let stored = ''
    const { kernel, device, uio } = registered(
      {},
      {
        attributes: {
          notify: { store: (text) => device.notify(Number(text)) },
          last: { show: () => `${stored}\n`, store: (text) => (stored = text) },
        },
      },
    )
    const folder = '/sys/devices/platform/lab_uio'
    kernel.writeText(`${folder}/notify`, '12')
    kernel.writeText(`${folder}/last`, 'x')
    expect([uio.text('event'), kernel.readText(`${folder}/last`)]).toEqual(['12', 'x\n'])
    expect(outcome(() => kernel.readText(`${folder}/notify`))).toBe('EACCES')
    kernel.writeText(`${folder}/driver/unbind`, 'lab_uio')
    expect(outcome(() => kernel.readText(`${folder}/last`))).toBe('ENOENT')
  })

  it('is unbound while its device is open, and bound again with memory that is new', () => {
    const { machine, device, kernel, uio, fd } = registered()
    device.bytes(0)[0] = 7
    const file = kernel.open('/sys/class/uio/uio0/name', O_RDONLY)
    kernel.writeText('/sys/devices/platform/lab_uio/driver/unbind', 'lab_uio')
    expect([outcome(() => uio.read(fd)), outcome(() => uio.write(fd, 1))]).toEqual(['EIO', 'EINVAL'])
    expect(outcome(() => kernel.read(file, new Uint8Array(8)))).toBe('ENODEV')
    kernel.writeText('/sys/bus/platform/drivers/lab_uio/bind', 'lab_uio')
    expect([device.name, device.bytes(0)[0]]).toEqual(['uio0', 0])
    kernel.close(fd)
    kernel.close(file)
    machine.assertQuiescent()
  })

  it('may register again what it took back, under the lowest number that is free', () => {
    const machine = createFakeMachine()
    const [first, second] = ['a', 'b'].map((name) => machine.registerUio({ name, version: '1' }))
    first!.unregister()
    expect(machine.registerUio({ name: 'c', version: '1' }).name).toBe('uio0')
    expect(machine.registerUio({ name: 'a', version: '2' }).name).toBe('uio2')
    expect(second!.name).toBe('uio1')
    expect(outcome(() => machine.registerUio({ name: 'b', version: '1' }))).toBe('DMA_INVALID_ARGUMENT')
    for (let index = 3; index < 255; index++) machine.registerUio({ name: `more${index}`, version: '1' })
    expect(outcome(() => machine.registerUio({ name: 'last', version: '1' }))).toBe('EINVAL')
  })

  it('can be told what it should not say', () => {
    const machine = createFakeMachine()
    machine.addPlatformDevice(new PlainDevice(), { name: 'taken.0', driver: 'uio_pdrv_genirq' })
    const six = Array.from({ length: 6 }, () => ({ memtype: 'logical', byteLength: 1 }))
    const mem = (one: object) => ({ mem: [{ memtype: 'phys', byteLength: 4096, ...one }] })
    const port = (one: object) => ({ port: [{ start: 0, size: 1, porttype: 'port_x86', ...one }] })
    for (const wrong of [
      { name: '' },
      { version: 1 },
      { name: 'a/b' },
      { name: 'uio_pdrv_genirq' },
      { parent: 'taken.0' },
      { irq: 'cyclic' },
      { mem: six },
      { memory: [] },
      { attributes: { 'a/b': {} } },
      mem({ memtype: 'device' }),
      mem({ byteLength: 0 }),
      mem({ memtype: 'logical', model: new PlainDevice() }),
      mem({ byteLength: 4097, model: new PlainDevice() }),
      mem({ model: {} }),
      mem({ dma: true }),
      port({ porttype: 'port_isa' }),
      port({ start: 65536 }),
      port({ size: 65537 }),
    ]) {
      const given = { name: 'x', version: '1', ...wrong } as UioInfo
      expect([wrong, outcome(() => machine.registerUio(given))]).toEqual([wrong, 'DMA_INVALID_ARGUMENT'])
    }
    const device = machine.registerUio({
      name: 'x',
      version: '1',
      mem: [{ memtype: 'logical', byteLength: 8 }],
    })
    for (const call of [() => device.bytes(1), () => device.dmaAddress(0), () => device.notify(-1)]) {
      expect(outcome(call)).toBe('DMA_INVALID_ARGUMENT')
    }
  })

  it('gets no memory where there is none, and keeps none of what it got', () => {
    const machine = createFakeMachine({ iommu: 'off' })
    machine.failCall({ syscall: 'dma_alloc_coherent', code: 'ENOMEM' })
    expect(outcome(() => machine.registerUio(info))).toBe('ENOMEM')
    const large = [{ memtype: 'dma-coherent', byteLength: 0x400001 }] as const
    expect(outcome(() => machine.registerUio({ ...info, name: 'large', mem: large }))).toBe('ENOMEM')
    expect(machine.kernel.list('/sys/class/uio')).toEqual([])
    const { name } = machine.registerUio(info)
    expect(name).toBe('uio0')
  })
})

it('system calls fail as they are told to', () => {
  const { machine, kernel, uio, fd, map } = registered()
  for (const [syscall, run] of [
    ['open', () => uio.open()],
    ['read', () => uio.read(fd)],
    ['write', () => uio.write(fd, 1)],
    ['mmap', () => map(page, 0)],
    ['close', () => kernel.close(fd)],
  ] as const) {
    machine.failCall({ syscall, code: 'EIO' })
    expect([syscall, outcome(run)]).toEqual([syscall, 'EIO'])
  }
  // The descriptor is gone all the same, as on Linux.
  machine.assertQuiescent()
})

it('a node is opened once more through /proc/self/fd, and takes no seals', () => {
  const { device, kernel, fd } = registered()
  const again = kernel.open(`/proc/self/fd/${fd}`, O_RDWR)
  expect(outcome(() => kernel.addSeals(again, F_SEAL_WRITE))).toBe('EINVAL')
  device.unregister()
  expect(outcome(() => kernel.open(`/proc/self/fd/${fd}`, O_RDWR))).toBe('ENODEV')
})
