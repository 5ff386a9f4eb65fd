import assert from 'node:assert/strict'
import { O_RDWR } from '@linux-dma/native'
import { openUio } from '@linux-dma/uio'
import { EDU_ID, EDU_LIVENESS } from '../edu'
import type { Host, Runner } from '../host'
import { VERSION } from '../nvme'
import { refusal, withoutLeaks } from '../with-device'
import { BUS_MASTER, commandOf, withUio, withUioBound, writeCommand } from '../with-uio'

/** What a user without privileges sees of a UIO device; `OWN` is whether the node is theirs. */
const asUser = `
  import { chownSync } from 'node:fs'
  import { openUio } from '@linux-dma/uio'
  if (OWN) chownSync('NODE', 1000, 0)
  process.setgid(1000)
  process.setuid(1000)
  const seen = {}
  const attempt = (name, action) => {
    try { seen[name] = action() } catch ({ code, hint }) { seen[name] = { code, hint } }
  }
  let device
  attempt('open', () => { device = openUio('NODE'); return 'open' })
  if (device) {
    attempt('register', () => device.bar(0).read32(0))
    attempt('busMaster', () => device.busMaster)
    attempt('setMaster', () => device.setMaster())
    attempt('interrupts', () => device.interrupts())
    attempt('close', () => device.close())
  }
  console.log(JSON.stringify(seen))
`

interface Refused {
  code: string
  hint: string
}

/** Opening, closing, and every wrong way of doing it. */
export function uioOpen({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, edu } = host
  const page = kernel.pageSize

  describe('uio open', () => {
    it('opens by node, path, number, name and PCI address', () =>
      withUioBound(host, edu, ({ node, number, path }) => {
        for (const selector of [node, path, number, { name: 'uio_pci_generic' }, { pci: edu }, edu]) {
          using device = openUio(selector, { kernel })
          assert.deepEqual([device.node, device.address, device.name], [node, edu, edu])
          assert.equal(device.bar(0).read32(EDU_ID), 0x0100_00ed)
        }
      }))

    it('refuses what is no device', () =>
      withoutLeaks(host, () => {
        for (const selector of [null, undefined, -1, 'uio', '/dev/null', {}, { nmae: 'x' }, true, 1.5]) {
          refusal(() => openUio(selector as never, { kernel }), 'DMA_INVALID_ARGUMENT', undefined)
        }
        const both = { name: 'x', pci: edu }
        refusal(() => openUio(both as never, { kernel }), 'DMA_INVALID_ARGUMENT', /one of name and pci/)
        refusal(() => openUio(99, { kernel }), 'DMA_NO_DEVICE', /./)
        refusal(() => openUio({ name: 'of no device' }, { kernel }), 'DMA_NO_DEVICE', /./)
        refusal(() => openUio({ pci: edu }, { kernel }), 'DMA_NOT_BOUND', /bindDriver/)
        refusal(() => openUio(edu, { kernel }), 'DMA_NOT_BOUND', /bindDriver/)
      }))

    it('refuses wrong options', () =>
      withUioBound(host, edu, ({ node }) => {
        refusal(() => openUio(node, { kernal: kernel } as never), 'DMA_INVALID_ARGUMENT', /kernel/)
        refusal(() => openUio(node, kernel as never), 'DMA_INVALID_ARGUMENT', /\{ kernel \}/)
        refusal(() => openUio(node, { kernel: {} as never }), 'DMA_INVALID_ARGUMENT', /machine.kernel/)
        refusal(() => openUio(node, { kernel, unsafePhysicalAddresses: 1 as never }), 'DMA_INVALID_ARGUMENT')
      }))

    it('gives the same registers by map and by BAR, each mapped once', () =>
      withUio(host, (device) => {
        const bar = device.bar(0)
        assert.equal(bar, device.bar(0))
        assert.equal(device.map(0), device.map(edu))
        assert.deepEqual([bar.byteLength, device.map(0).byteLength], [0x10_0000, 0x10_0000])
        bar.write32(EDU_LIVENESS, 0x0f0f_0f0f)
        assert.equal(device.map(0).read32(EDU_LIVENESS), 0xf0f0_f0f0)
        const part = device.bar(0, { byteOffset: page, byteLength: page })
        assert.equal(part.byteLength, page)
        bar.close()
        assert.notEqual(device.bar(0), bar)
      }))

    it('refuses maps, BARs, ports and memory that are not there', () =>
      withUio(host, (device) => {
        for (const which of [1, -1, 1000, 'registers', Number.NaN]) {
          refusal(() => device.map(which), 'DMA_NO_MAP', /it has 0/)
          refusal(() => device.mapMemory(which), 'DMA_NO_MAP', /it has 0/)
        }
        refusal(() => device.bar(1), 'DMA_NO_REGION', /it has BAR 0/)
        refusal(() => device.bar('0' as never), 'DMA_NO_REGION')
        refusal(() => device.port(0), 'DMA_NO_PORT', /it has none/)
        refusal(() => device.mapMemory(0), 'DMA_NOT_MEMORY', /device\.map\(0\)/)
        refusal(() => device.mapMemory(0, { assumeMemory: true }), 'DMA_NOT_MEMORY')
        refusal(() => device.mapMemory(0, { asumeMemory: true } as never), 'DMA_INVALID_ARGUMENT')
      }))

    it('refuses parts and offsets that are not inside', () =>
      withUio(host, (device) => {
        const size = 0x10_0000
        for (const [byteOffset, byteLength] of [
          [size, page],
          [0, size + 1],
          [-page, page],
          [1, page],
          [0, 0],
          [2 ** 53, page],
        ] as const) {
          refusal(() => device.bar(0, { byteOffset, byteLength }), 'DMA_RANGE')
        }
        refusal(() => device.bar(0, { offset: 0 } as never), 'DMA_INVALID_ARGUMENT')
        const registers = device.map(0)
        refusal(() => registers.read32(size), 'DMA_RANGE')
        refusal(() => registers.read32(2), 'DMA_RANGE')
        refusal(() => registers.write32(0, -1), 'DMA_VALUE_RANGE')
      }))

    it('reads and writes configuration space, but nothing that makes mapped registers fault', () =>
      withUio(host, (device) => {
        assert.equal(device.config.read32(0), 0x11e8_1234)
        const command = device.config.read16(4)
        device.config.write16(4, command & ~2)
        refusal(() => device.bar(0), 'DMA_BAR_DISABLED', /config/)
        device.config.write16(4, command)
        using _bar = device.bar(0)
        refusal(() => device.config.write16(4, command & ~2), 'DMA_BAR_IN_USE', /close the regions/)
      }))

    it('reaches a BAR that UIO hides through sysfs', () =>
      withUioBound(host, host.nvme, ({ node, maps }) => {
        assert.deepEqual(maps, [])
        using device = openUio(node, { kernel })
        assert.equal(device.info.pci?.bars[0]?.map, undefined)
        assert.ok(device.bar(0).read32(VERSION) >= 0x1_0000)
        refusal(() => device.map(0), 'DMA_NO_MAP', /bar\(index\)/)
      }))

    it('turns bus mastering on and off, and off when it closes', () =>
      withUioBound(host, edu, ({ node }) => {
        const master = () => (commandOf(host) & BUS_MASTER) !== 0
        const device = openUio(node, { kernel })
        assert.deepEqual([device.busMaster, device.dmaReady, master()], [false, false, false])
        refusal(() => device.assertReady(), 'DMA_BUS_MASTER_OFF', /setMaster/)
        device.setMaster()
        assert.deepEqual([device.busMaster, device.dmaReady, master()], [true, true, true])
        device.clearMaster()
        assert.deepEqual([device.busMaster, device.dmaReady, master()], [false, false, false])
        device.config.write16(4, device.config.read16(4) | BUS_MASTER)
        assert.equal(device.dmaReady, true)
        device.close()
        assert.equal(master(), false)
        device.close()
      }))

    it('vouches for bus mastering only where the program turned it on, and ends it all the same', () =>
      withUioBound(host, edu, ({ node }) => {
        const found = commandOf(host)
        writeCommand(host, found | BUS_MASTER)
        const device = openUio(node, { kernel })
        assert.deepEqual([device.busMaster, device.dmaReady], [true, false])
        refusal(() => device.assertReady(), 'DMA_BUS_MASTER_OFF', /setMaster/)
        device.setMaster()
        assert.equal(device.dmaReady, true)
        device.close()
        assert.equal(commandOf(host) & BUS_MASTER, 0)
      }))

    it('shares one descriptor among those that open it, of whom one does DMA', () =>
      withUioBound(host, edu, ({ node }) => {
        const { descriptors } = kernel.live()
        using first = openUio(node, { kernel })
        const afterOne = kernel.live().descriptors
        assert.ok(afterOne > descriptors)
        const second = openUio(node, { kernel })
        assert.equal(kernel.live().descriptors, afterOne)
        first.setMaster()
        assert.deepEqual([first.dmaReady, second.dmaReady], [true, false])
        refusal(() => second.setMaster(), 'DMA_IN_USE', /close that one/)
        refusal(() => second.clearMaster(), 'DMA_IN_USE')
        refusal(() => second.assertReady(), 'DMA_IN_USE')
        second.close()
        assert.equal(first.busMaster, true, 'the other one goes on')
        using third = openUio(node, { kernel })
        first.close()
        assert.equal(third.busMaster, false)
        third.setMaster()
        assert.equal(third.dmaReady, true)
      }))

    it('notices that somebody else’s close took bus mastering away', () =>
      withUio(host, (device) => {
        device.setMaster()
        kernel.close(kernel.open(device.info.path, O_RDWR))
        assert.equal(device.busMaster, false)
        assert.equal(device.dmaReady, false)
        device.setMaster()
        assert.equal(device.busMaster, true)
      }))

    it('refuses a device that this process has open by another way', () =>
      withUioBound(host, edu, ({ node, path }) => {
        const fd = kernel.open(path, O_RDWR)
        refusal(() => openUio(node, { kernel }), 'DMA_ALREADY_OPEN', /close it first/)
        kernel.close(fd)
        openUio(node, { kernel }).close()
      }))

    it('does nothing after close', () =>
      withUio(host, (device) => {
        const registers = device.bar(0)
        const { config } = device
        device.close()
        for (const action of [
          () => device.bar(0),
          () => device.map(0),
          () => device.mapMemory(0),
          () => device.port(0),
          () => device.config,
          () => device.setMaster(),
          () => device.interrupts(),
          () => device.eventCount,
          () => registers.read32(EDU_ID),
          () => config.read32(0),
        ]) {
          refusal(action, 'DMA_CLOSED')
        }
        assert.equal(device.busMaster, false)
      }))

    it('leaves nothing behind, however often', () =>
      withUioBound(host, edu, ({ node }) => {
        for (let i = 0; i < 20; i++) {
          using device = openUio(node, { kernel })
          device.setMaster()
          device.bar(0)
          device.map(0)
          void device.config
          if (i % 2) device.interrupts()
        }
      }))

    for (const [title, own] of [
      ['tells a user who may not open it the rule for udev', false],
      ['lets a user who has the node read registers, and says what bus mastering needs', true],
    ] as const) {
      const { runProcess } = host
      if (!runProcess) {
        skip(title, 'the fake machine has one process: open-uio.test.ts has it for another user')
        continue
      }
      it(title, () =>
        withUioBound(host, edu, async ({ path }) => {
          const source = asUser.replaceAll('NODE', path).replace('OWN', String(own))
          const { output } = await runProcess(source)
          const seen = JSON.parse(output) as Record<string, unknown>
          const refused = (name: string) => seen[name] as Refused
          if (!own) {
            assert.equal(refused('open').code, 'EACCES', output)
            assert.match(
              refused('open').hint,
              /^SUBSYSTEM=="uio", ATTR\{name\}=="uio_pci_generic", [^\n]*$[\s\S]*udevadm/m,
            )
            return
          }
          assert.deepEqual([seen.open, seen.register, seen.busMaster], ['open', 0x0100_00ed, false], output)
          for (const name of ['setMaster', 'interrupts']) {
            assert.equal(refused(name).code, 'EACCES', output)
            assert.match(refused(name).hint, /chown/)
          }
        }),
      )
    }
  })
}
