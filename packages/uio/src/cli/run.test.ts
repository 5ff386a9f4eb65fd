import type { Kernel } from '@linux-dma/core'
import { DmaError } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { recordedKernel } from '../../test-support/recorded-kernel'
import { recordedMachine } from '../../test-support/recordings'
import { run } from './run'

function call(args: string, kernel: () => Kernel = () => recordedKernel(recordedMachine())) {
  let stdout = ''
  let stderr = ''
  const status = run(args.split(' ').filter(Boolean), {
    kernel,
    stdout: {
      write(text) {
        stdout += text
      },
    },
    stderr: {
      write(text) {
        stderr += text
      },
    },
    version: '1.2.3',
  })
  return { status, stdout, stderr }
}

describe('lsuio', () => {
  it('lists the devices of a fake machine, to anybody', () => {
    const machine = createFakeMachine({ uid: 1000, iommu: 'off' })
    const edu = machine.addDevice(new EduDevice(), { driver: 'uio_pci_generic' })
    machine.registerUio({ name: 'counter', version: '7', irq: 'custom' }).notify(3)
    const { status, stdout } = call('lsuio', () => machine.kernel)
    expect(status).toBe(0)
    expect(stdout).toMatch(
      new RegExp(`^uio0 +uio_pci_generic +0\\.01\\.0 +${edu.address} +1234:11e8 .* 1 +0 +0$`, 'm'),
    )
    expect(stdout).toMatch(/^uio1 +counter +7 +counter +- .* 0 +0 +3$/m)
    expect(call('lsuio -v 0', () => machine.kernel).stdout).toContain('unsafePhysicalAddresses')
    machine.assertQuiescent()
  })

  it('prints a line for each device, in columns, with nothing but text', () => {
    expect(call('lsuio')).toEqual({
      status: 0,
      stderr: '',
      stdout: `NODE   NAME             VERSION  DEVICE        ID         DRIVER           MAPS  PORTS  EVENTS
uio0   uio_pci_generic  0.01.0   0000:00:04.0  1234:11e8  uio_pci_generic  1     0      0
uio1   uio_pci_generic  0.01.0   0000:00:0b.0  1af4:1110  uio_pci_generic  1     0      0
uio2   lab_uio          0.01.0   lab_uio       -          lab_uio          3     1      12
uio10  uio_pci_generic  0.01.0   0000:00:0c.0  8086:10d3  uio_pci_generic  3     0      0
`,
    })
  })

  it('prints all of a device', () => {
    expect(call('lsuio -v uio0 uio10').stdout).toMatchInlineSnapshot(`
      "uio0: uio_pci_generic, version 0.01.0
        node           /dev/uio0
        device         PCI 0000:00:04.0, 1234:11e8, class 0x00ff00
        driver         uio_pci_generic
        events         0
        bus master     off: the device can start no transfer
        interrupt pin  not masked
        IOMMU          group 4, type DMA-FQ
        DMA            physical addresses do not get through the IOMMU: take vfio-pci instead, or boot with iommu=pt
        Maps
          MAP  NAME          ADDRESS     SIZE   OFFSET  WHAT
          0    0000:00:04.0  0xfea00000  1 MiB  0x0     BAR 0

      uio10: uio_pci_generic, version 0.01.0
        node           /dev/uio10
        device         PCI 0000:00:0c.0, 8086:10d3, class 0x00ff00
        driver         uio_pci_generic
        events         0
        bus master     off: the device can start no transfer
        interrupt pin  not masked
        IOMMU          none
        DMA            physical addresses reach memory, all of it: openUio(…, { unsafePhysicalAddresses: true })
        Maps
          MAP  NAME          ADDRESS     SIZE     OFFSET  WHAT
          0    0000:00:0c.0  0xfeba0000  128 KiB  0x0     BAR 0
          1    0000:00:0c.0  0xfebc0000  128 KiB  0x0     BAR 1
          2    0000:00:0c.0  0xfebf0000  16 KiB   0x0     BAR 3
        BARs that no map shows: device.bar(index) has them, through the file
          BAR  ADDRESS  SIZE  WHAT       FILE
          2    0xc040   32 B  I/O ports  /sys/bus/pci/devices/0000:00:0c.0/resource2
      "
    `)
    expect(call('lsuio --verbose 1 lab_uio').stdout).toMatchInlineSnapshot(`
      "uio1: uio_pci_generic, version 0.01.0
        node           /dev/uio1
        device         PCI 0000:00:0b.0, 1af4:1110, class 0x00ff00
        driver         uio_pci_generic
        events         0
        bus master     on
        interrupt pin  masked, until its owner asks for the next interrupt
        IOMMU          group 11, type identity
        DMA            physical addresses reach memory, all of it: openUio(…, { unsafePhysicalAddresses: true })
        Maps
          MAP  NAME          ADDRESS     SIZE   OFFSET  WHAT
          0    0000:00:0b.0  0xfebfa000  4 KiB  0x0     BAR 0
        BARs that no map shows: device.bar(index) has them, through the file
          BAR  ADDRESS      SIZE   WHAT                          FILE
          2    0x800000000  1 MiB  memory, 64-bit, prefetchable  /sys/bus/pci/devices/0000:00:0b.0/resource2

      uio2: lab_uio, version 0.01.0
        node    /dev/uio2
        device  /sys/devices/platform/lab_uio
        driver  lab_uio
        events  12
        IOMMU   none
        DMA     sysfs does not tell whether the device does DMA; if it does, no IOMMU keeps it from any memory: openUio(…, { unsafePhysicalAddresses: true }); DMA memory of its driver is among the maps
        Maps
          MAP   NAME     ADDRESS             SIZE    OFFSET  WHAT
          0     logical  0xff1100000264e000  8 KiB   0x0     memory; the address is a pointer of the kernel, nothing for a device
          1     later    0xffffffffffffffff  5000 B  0x40    no memory now
          1000  -        0xfffe0000          4 KiB   0x0     DMA memory: the address is for the device
        Ports
          PORT  NAME  FIRST  COUNT  TYPE
          0     cmos  0x70   2      port_x86
      "
    `)
  })

  it('takes nodes, paths, numbers, PCI addresses and names', () => {
    const nodes = (args: string) =>
      JSON.parse(call(`lsuio --json ${args}`).stdout).devices.map(({ node }: { node: string }) => node)
    expect(nodes('/dev/uio1')).toEqual(['uio1'])
    expect(nodes('0000:00:0C.0 lab_uio')).toEqual(['uio2', 'uio10'])
    expect(nodes('00:0c.0 uio0 0')).toEqual(['uio0', 'uio10'])
    expect(nodes('uio_pci_generic')).toEqual(['uio0', 'uio1', 'uio10'])
    expect(nodes('')).toHaveLength(4)
  })

  it('has no device to list, and says how to get one', () => {
    const none = () => recordedKernel({})
    expect(call('lsuio', none)).toMatchObject({
      status: 0,
      stdout: '',
      stderr: expect.stringMatching(/there is no UIO device\n.*bindDriver.*modprobe uio_pci_generic/),
    })
    expect(call('lsuio --json', none)).toMatchObject({
      status: 0,
      stdout: '{\n  "schema": 1,\n  "devices": []\n}\n',
      stderr: expect.stringContaining('modprobe'),
    })
    expect(call('lsuio --json 0', none)).toMatchObject({ status: 1, stdout: '' })
  })

  it('ends with 1 where one that was named is not there, and says what to do', () => {
    expect(call('lsuio uio7')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('uio7'),
    })
    expect(call('lsuio -v uio0 edu')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^lsuio: DMA_NO_DEVICE: no UIO device is called 'edu'\n {2}hint: there are: /,
      ),
    })
  })

  it('ends with 1 where there is no kernel to ask, and says why', () => {
    const message = 'this is darwin, and only Linux has what the addon needs'
    const unavailable = () => {
      throw new DmaError('DMA_NATIVE_UNAVAILABLE', message, { hint: 'use Linux' })
    }
    expect(call('lsuio', unavailable)).toEqual({
      status: 1,
      stdout: '',
      stderr: `lsuio: DMA_NATIVE_UNAVAILABLE: ${message}\n  hint: use Linux\n`,
    })
    expect(call('lsuio --help', unavailable).status).toBe(0)
    expect(call('lsuio --version', unavailable)).toMatchObject({ status: 0, stdout: '1.2.3\n' })
  })

  it('does not hide a mistake of its own', () => {
    const broken = () => {
      throw new TypeError('broken')
    }
    expect(() => call('lsuio', broken)).toThrow('broken')
  })

  it.each(['99:99.9', 'f.1', '00:04.9', '0000:00:ff.0', '4.0'])(
    'takes %s for a PCI address that is none',
    (word) => {
      expect(call(`lsuio ${word}`)).toMatchObject({
        status: 2,
        stdout: '',
        stderr: expect.stringMatching(
          new RegExp(
            `^lsuio: DMA_INVALID_ARGUMENT: '${word}' is not a PCI address\n.*'lsuio --help' has`,
            's',
          ),
        ),
      })
      expect(call('lsuio 00:1e.7')).toMatchObject({ status: 1 })
    },
  )

  it("says that the command is 'lsuio'", () => {
    expect(call('').stderr).toMatch(/^uio: a command is missing, and the only one is 'lsuio'\n/)
    expect(call('lspci').stderr).toMatch(/^uio: there is no command 'lspci', only 'lsuio'\n/)
  })

  it.each(['lsuio --jsonn', 'lsuio -x', 'lsuio --verbose=3', '', 'lspci', 'uio0'])(
    'ends with 2 for a wrong use: %s',
    (args) => {
      const { status, stdout, stderr } = call(args)
      expect([status, stdout]).toEqual([2, ''])
      expect(stderr).toMatch(/--help/)
    },
  )

  it('knows --help and --version without the command too', () => {
    expect(call('--help').stdout).toBe(call('lsuio -h').stdout)
    expect(call('-V').stdout).toBe('1.2.3\n')
  })
})
