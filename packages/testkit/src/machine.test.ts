import { O_RDWR } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from './fixtures/outcome'
import { PlainDevice } from './fixtures/plain-device'
import { closeByHand, openByHand } from './fixtures/raw-vfio'
import { createFakeMachine } from './machine'
import { EduDevice } from './models/edu'

function errorOf(run: () => void): Error {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  return new Error('nothing was thrown')
}

describe('createFakeMachine', () => {
  it('refuses options that are misspelled or make no sense', () => {
    for (const options of [
      { memLockLimit: 1 },
      { iommu: true },
      { autoAdvance: 1 },
      { interruptRemapping: 'yes' },
      { seed: -1 },
      { uid: 'root' },
      { hugePages: 0.5 },
      { dmaEntryLimit: -1 },
      { capabilities: ['CAP_FLY'] },
      { iommu: 'strict' },
      { kernelRelease: 'new' },
      { uioDmaMemory: true },
    ]) {
      expect(outcome(() => createFakeMachine(options as never))).toBe('DMA_INVALID_ARGUMENT')
    }
    expect(outcome(() => createFakeMachine(null as never))).toBe('DMA_INVALID_ARGUMENT')
    expect(createFakeMachine({ uid: undefined } as never).kernel.name).toBe('fake')
  })

  it('makes machines that know nothing of each other', async () => {
    const [first, second] = [createFakeMachine(), createFakeMachine()]
    const device = first.addDevice(new PlainDevice())
    expect(second.kernel.list('/sys/bus/pci/devices')).toEqual([])
    const fd = first.kernel.eventfd()
    expect(outcome(() => second.kernel.close(fd))).toBe('EBADF')
    await first.kernel.clock.sleep(10)
    expect([first.clock.now(), second.clock.now()]).toEqual([10, 0])
    closeByHand(openByHand(first, device.address))
    first.setUid(7)
    expect(second.kernel.readText('/proc/self/status')).toContain('Uid:\t0')
  })

  it('does the same thing in the same way, every time', async () => {
    const run = async () => {
      const machine = createFakeMachine({ seed: 42 })
      const edu = machine.addDevice(new EduDevice())
      const { kernel, device, container, map, setIrqs } = openByHand(machine, edu.address)
      const window = kernel.mapRegisters(device, { byteLength: 0x1000 })
      const mapping = kernel.mmap(kernel.memfd('x', { byteLength: 8192 }), { byteLength: 8192 })
      machine.random.fill(mapping.bytes)
      map(container, mapping.address, 0x1000n, 0x1000n)
      const eventfd = kernel.eventfd()
      setIrqs(device, 0x24, 1, 0, 1, eventfd)
      const history: unknown[] = []
      const watch = kernel.watch(eventfd, 8, {
        onCount: (count) => history.push([machine.clock.now(), count, window.read32(0x24)]),
        onError: () => {},
      })
      for (const source of [0x1000, 0x9000, 0x1800]) {
        window.write32(0x80, source)
        window.write32(0x88, 0x40000)
        window.write32(0x90, 2048)
        window.write32(0x98, 5)
        await kernel.clock.sleep(150)
      }
      watch.close()
      return [history, machine.faults, machine.log, mapping.bytes.slice(), machine.clock.now()]
    }
    const first = await run()
    expect(first[0]).toHaveLength(3)
    expect(first[1]).toHaveLength(1)
    expect(await run()).toEqual(first)
  })
})

describe('addDevice', () => {
  it('finds a free slot and a free group', () => {
    const machine = createFakeMachine()
    const first = machine.addDevice(new PlainDevice(), { address: '0000:00:04.0', group: 1 })
    const second = machine.addDevice(new PlainDevice())
    expect([first.address, second.address]).toEqual(['0000:00:04.0', '0000:00:05.0'])
    expect([first, second].map(({ address }) => machine.groupNode(address))).toEqual([
      '/dev/vfio/1',
      '/dev/vfio/2',
    ])
    for (let slot = 6; slot < 32; slot++) machine.addDevice(new PlainDevice())
    expect(outcome(() => machine.addDevice(new PlainDevice()))).toBe('DMA_INVALID_ARGUMENT')
    const behind = machine.addDevice(new PlainDevice(), { address: '0001:02:00.0' })
    expect(machine.kernel.readLink(`/sys/bus/pci/devices/${behind.address}`)).toBe(
      '../../../devices/pci0001:02/0001:02:00.0',
    )
  })

  it('refuses places that are taken or none, and options it does not know', () => {
    const machine = createFakeMachine()
    machine.addDevice(new PlainDevice())
    for (const options of [
      { address: '0000:00:04.0' },
      { address: '00:05.0' },
      { address: '0000:00:05.8' },
      { group: -1 },
      { gruop: 1 },
    ]) {
      expect(outcome(() => machine.addDevice(new PlainDevice(), options as never))).toBe(
        'DMA_INVALID_ARGUMENT',
      )
    }
    const without = createFakeMachine({ iommu: 'off' })
    expect(outcome(() => without.addDevice(new PlainDevice(), { driver: 'vfio-pci' }))).toBe(
      'DMA_INVALID_ARGUMENT',
    )
  })
})

describe('an IOMMU that lets everything pass', () => {
  it('has groups for VFIO, and physical addresses for devices that VFIO does not have', () => {
    const machine = createFakeMachine({ iommu: 'passthrough' })
    const device = machine.addDevice(new PlainDevice(), { driver: null })
    const { kernel } = machine
    expect(kernel.readText('/sys/kernel/iommu_groups/1/type')).toBe('identity\n')
    const folder = `/sys/bus/pci/devices/${device.address}`
    const config = kernel.open(`${folder}/config`, O_RDWR)
    kernel.write(config, new Uint8Array([0x06, 0x01]), 4)
    kernel.close(config)
    const mapping = kernel.mmap(kernel.memfd('x', { byteLength: 4096 }), { byteLength: 4096 })
    const entries = new BigUint64Array(1)
    kernel.readPagemap(mapping.address, entries)
    const physical = (entries[0]! & ((1n << 55n) - 1n)) * 4096n
    expect(device.writeMemory(physical, [1, 2])).toBe(true)
    expect([...mapping.bytes.subarray(0, 2)]).toEqual([1, 2])
    kernel.writeText(`${folder}/driver_override`, 'vfio-pci')
    kernel.writeText('/sys/bus/pci/drivers_probe', device.address)
    const session = openByHand(machine, device.address)
    expect(device.writeMemory(physical, [3])).toBe(false)
    closeByHand(session)
  })
})

describe('what the kernel says of itself', () => {
  it('is its release, and where memory and registers are, for those who may know', () => {
    const machine = createFakeMachine({ kernelRelease: '6.1.0-25-amd64' })
    const { kernel } = machine
    machine.addDevice(new PlainDevice(), { driver: null })
    expect(kernel.readText('/proc/sys/kernel/osrelease')).toBe('6.1.0-25-amd64\n')
    expect(kernel.readText('/proc/iomem').split('\n').slice(0, 2)).toEqual([
      '01000000-7fffffff : System RAM',
      'fe000000-fe000fff : 0000:00:04.0',
    ])
    expect(kernel.readText('/proc/iomem')).toMatch(/^100000000-[0-9a-f]{9,} : System RAM$/m)
    machine.setUid(1000)
    expect(kernel.readText('/proc/iomem')).toMatch(/^(00000000-00000000 : .+\n){3}$/)
    expect(outcome(() => machine.setKernelRelease('x'))).toBe('DMA_INVALID_ARGUMENT')
    expect(outcome(() => machine.setUioDmaMemory('on' as never))).toBe('DMA_INVALID_ARGUMENT')
  })
})

describe('chown and chmod', () => {
  it('give a node to a user, as a udev rule would', () => {
    const machine = createFakeMachine({ uid: 1000 })
    const { address } = machine.addDevice(new PlainDevice())
    const open = () => outcome(() => machine.kernel.open(machine.groupNode(address), O_RDWR))
    expect(open()).toBe('EACCES')
    machine.chown(machine.groupNode(address), 1000)
    expect(open()).toBe('OK(3)')
    expect(machine.stat(machine.groupNode(address))).toEqual({ mode: 0o600, uid: 1000, gid: 1000 })
    machine.chmod('/dev/vfio/vfio', 0o600)
    expect(machine.stat('/dev/vfio/vfio')).toEqual({ mode: 0o600, uid: 0, gid: 0 })
    expect(outcome(() => machine.stat('/dev/nothing'))).toBe('ENOENT')
    expect(outcome(() => machine.kernel.open('/dev/vfio/vfio', O_RDWR))).toBe('EACCES')
    expect(outcome(() => machine.chown('/dev/nothing', 1))).toBe('ENOENT')
  })
})

describe('assertQuiescent', () => {
  it('is content with a program that took everything back', () => {
    const machine = createFakeMachine()
    const { address } = machine.addDevice(new PlainDevice())
    machine.assertQuiescent()
    closeByHand(openByHand(machine, address))
    machine.assertQuiescent()
  })

  it('names all that is left, and where it was made', () => {
    const machine = createFakeMachine()
    const { address } = machine.addDevice(new PlainDevice())
    const { kernel, map, container, device, setIrqs } = openByHand(machine, address)
    const memfd = kernel.memfd('forgotten', { byteLength: 8192 })
    const mapping = kernel.mmap(memfd, { byteLength: 8192 })
    map(container, mapping.address, 0n, 0x2000n)
    kernel.mapRegisters(device, { byteLength: 0x1000 })
    const eventfd = kernel.eventfd()
    setIrqs(device, 0x24, 1, 0, 1, eventfd)
    kernel.watch(eventfd, 8, { onCount: () => {}, onError: () => {} }).unref()
    expect(() => machine.assertQuiescent()).toThrow(expect.objectContaining({ code: 'DMA_LEAK' }))
    const { message } = errorOf(() => machine.assertQuiescent())
    for (const part of [
      'descriptor 3 of /dev/vfio/vfio, opened at ',
      'of /memfd:forgotten, opened at ',
      'machine.test.ts',
      'mapping of 8192 bytes at 0x7f',
      `register window on BAR 0 of ${address}, 4096 bytes, made at `,
      '8192 bytes pinned for devices',
      `interrupts of ${address}, still enabled`,
    ]) {
      expect(message).toContain(part)
    }
    expect(message).toMatch(/watch of descriptor \d+ of eventfd, begun at .*machine\.test\.ts/)
  })

  it('says where each poll and watch was begun, and whether anything could end it', async () => {
    const machine = createFakeMachine()
    const { kernel, clock } = machine
    const [watched, polled] = [kernel.eventfd(), kernel.eventfd()]
    const polling = kernel.poll(polled, 1)
    const watch = kernel.watch(watched, 8, { onCount: () => {}, onError: () => {} })
    const told = () => errorOf(() => machine.assertQuiescent()).message.split('\n')
    expect(told().slice(3)).toEqual([
      expect.stringMatching(/^ {2}watch of descriptor 3 of eventfd, begun at .*machine\.test\.ts/),
      expect.stringMatching(/^ {2}poll of descriptor 4 of eventfd, begun at .*machine\.test\.ts/),
      '  nothing is scheduled that could end a poll or wake a watch',
      expect.stringContaining('hint: '),
    ])
    expect(told()[0]).toBe('DMA_LEAK: 4 left open:')
    const event = clock.schedule(1000, () => {})
    expect(told()).not.toContain('  nothing is scheduled that could end a poll or wake a watch')
    event.cancel()
    watch.close()
    kernel.close(polled)
    await expect(polling).rejects.toMatchObject({ code: 'DMA_CLOSED' })
    kernel.close(watched)
    machine.assertQuiescent()
  })

  it('sees memory that is pinned after all descriptors are closed but one', () => {
    const machine = createFakeMachine()
    const { address } = machine.addDevice(new PlainDevice())
    const session = openByHand(machine, address)
    const { kernel } = machine
    const mapping = kernel.mmap(kernel.memfd('x', { byteLength: 4096 }), { byteLength: 4096 })
    session.map(session.container, mapping.address, 0n, 0x1000n)
    mapping.close()
    kernel.close(session.container)
    expect(() => machine.assertQuiescent()).toThrow('4096 bytes pinned')
  })
})
