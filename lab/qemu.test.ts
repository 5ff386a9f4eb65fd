import { describe, expect, it } from 'vitest'
import { e1000Address, eduAddress, ports, qemuArguments, secondEduAddress } from './qemu.mjs'

const machine = {
  kernel: '/cache/vmlinuz',
  initrd: '/tmp/initrd',
  memory: '2G',
  devices: [] as string[],
  interruptRemapping: true,
  append: [] as string[],
  console: '/tmp/console' as string | undefined,
  socket: (port: string) => `/tmp/${port}`,
}
const after = (words: string[], option: string) => words.filter((_, index) => words[index - 1] === option)

describe('qemuArguments', () => {
  it('puts the IOMMU before every device behind it', () => {
    expect(after(qemuArguments(machine), '-device')[0]).toMatch(/^intel-iommu/)
  })

  it.each([
    ['edu', eduAddress],
    ['edu', secondEduAddress],
    ['e1000', e1000Address],
  ])('has %s where everybody is told it is', (name, address) => {
    const [, , slot] = /^(0000:00):([0-9a-f]{2})\.0$/.exec(address) ?? []
    const wanted = `${name},addr=${Number.parseInt(slot ?? '', 16).toString(16)}`
    const devices = after(qemuArguments(machine), '-device')
    expect(devices.filter((device) => `${device},`.startsWith(`${wanted},`))).toHaveLength(1)
  })

  it('gives the second edu an interrupt line that nothing else with interrupts has', () => {
    // On this machine, slots below 25 that are four apart share a line.
    const line = (device: string) => Number.parseInt(/addr=([0-9a-f]+)/.exec(device)?.[1] ?? '', 16) % 4
    const devices = after(qemuArguments(machine), '-device').filter((device) =>
      /addr=[0-9a-f](,|$)/.test(device),
    )
    const sharing = devices.filter((device) => line(device) === 0xa % 4)
    expect(sharing).toEqual(['pci-testdev,addr=6', expect.stringMatching(/^edu,addr=a,/)])
  })

  it('connects each port to its own socket', () => {
    const words = qemuArguments(machine)
    for (const [index, port] of ports.entries()) {
      expect(words).toContain(`socket,id=port${index},path=/tmp/${port}`)
      expect(words).toContain(`virtserialport,chardev=port${index},name=${port}`)
    }
  })

  it('appends devices and words of the kernel command line', () => {
    const words = qemuArguments({
      ...machine,
      devices: ['e1000e,addr=7'],
      append: ['intel_iommu=off', 'nokaslr'],
    })
    expect(after(words, '-device').at(-1)).toBe('e1000e,addr=7')
    expect(after(words, '-append')[0]).toMatch(/intel_iommu=on .*intel_iommu=off nokaslr$/)
  })

  it('gives the terminal to the console for a prompt', () => {
    expect(qemuArguments({ ...machine, console: undefined })).toContain('stdio,id=console,mux=on,signal=off')
    expect(qemuArguments(machine)).toContain('file,id=console,path=/tmp/console')
  })

  it('writes a comma in a path twice', () => {
    expect(qemuArguments({ ...machine, console: '/tmp/a,b' })).toContain('file,id=console,path=/tmp/a,,b')
  })
})
