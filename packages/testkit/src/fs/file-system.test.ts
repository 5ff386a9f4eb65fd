import { describe, expect, it } from 'vitest'
import { FakeProcess } from '../process'
import { FileSystem } from './file-system'
import { deviceNode, directory, symbolicLink, textFile } from './nodes'
import { readWhole, TextOpenFile } from './text-open-file'

function failure(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return (error as { errno: string }).errno
  }
}

function tree() {
  const process = new FakeProcess()
  const fs = new FileSystem(process)
  const written: string[] = []
  fs.put(
    '/sys/devices/pci0000:00/0000:00:04.0/vendor',
    textFile(() => '0x1234\n'),
  )
  fs.put(
    '/sys/devices/pci0000:00/0000:00:04.0/unbind',
    textFile(undefined, (text) => written.push(text)),
  )
  fs.put(
    '/sys/both',
    textFile(
      () => 'here',
      (text) => written.push(text),
      0o644,
    ),
  )
  fs.put('/empty', directory())
  fs.link('/sys/bus/pci/devices/0000:00:04.0', '/sys/devices/pci0000:00/0000:00:04.0')
  fs.link('/sys/devices/pci0000:00/0000:00:04.0/subsystem', '/sys/bus/pci')
  return { fs, process, written }
}

describe('paths', () => {
  it('lead through links, relative ones from where they are', () => {
    const { fs } = tree()
    const path = '/sys/bus/pci/devices/0000:00:04.0'
    expect(fs.readLink(path)).toBe('../../../devices/pci0000:00/0000:00:04.0')
    expect(fs.readLink(`${path}/subsystem`)).toBe('../../../bus/pci')
    expect(readWhole(fs.open(`${path}/subsystem/devices/0000:00:04.0/vendor`, 'read'))).toBe('0x1234\n')
    expect(readWhole(fs.open(`${path}/../0000:00:04.0/./vendor`, 'read'))).toBe('0x1234\n')
    expect(fs.list('/sys/bus/pci')).toEqual(['devices'])
    expect(fs.list('/../..')).toEqual(['empty', 'sys', 'tmp'])
  })

  it('fail as Linux says', () => {
    const { fs } = tree()
    fs.put('/loop', symbolicLink('/loop'))
    fs.put('/absolute', symbolicLink('/sys/both'))
    expect(failure(() => fs.open('/nowhere', 'read'))).toBe('ENOENT')
    expect(failure(() => fs.open('/nowhere/file', 'read'))).toBe('ENOENT')
    expect(failure(() => fs.open('/sys/both/file', 'read'))).toBe('ENOTDIR')
    expect(failure(() => fs.list('/sys/both'))).toBe('ENOTDIR')
    expect(failure(() => fs.open('/sys', 'read-write'))).toBe('EISDIR')
    expect(failure(() => readWhole(fs.open('/sys', 'read')))).toBe('EISDIR')
    expect(failure(() => fs.readLink('/sys/both'))).toBe('EINVAL')
    expect(failure(() => fs.open('/loop', 'read'))).toBe('ELOOP')
    expect(readWhole(fs.open('/absolute', 'read'))).toBe('here')
    expect(failure(() => fs.put('/sys/both/below', directory()))).toBe('ENOTDIR')
  })

  it('vanish when they are removed, and removing nothing is nothing', () => {
    const { fs } = tree()
    fs.remove('/sys/both')
    fs.remove('/sys/both')
    expect(failure(() => fs.open('/sys/both', 'read'))).toBe('ENOENT')
  })
})

describe('permissions', () => {
  it('of sysfs bind even root: what cannot be read or written is EACCES', () => {
    const { fs, process } = tree()
    expect(process.has('CAP_DAC_OVERRIDE')).toBe(true)
    const device = '/sys/devices/pci0000:00/0000:00:04.0'
    expect(failure(() => fs.open(`${device}/vendor`, 'write'))).toBe('EACCES')
    expect(failure(() => fs.open(`${device}/unbind`, 'read'))).toBe('EACCES')
    expect(failure(() => fs.open(`${device}/unbind`, 'read-write'))).toBe('EACCES')
  })

  it('go by owner, group and others', () => {
    const { fs, process, written } = tree()
    process.setUid(1000)
    expect(failure(() => fs.open('/sys/both', 'write'))).toBe('EACCES')
    fs.changeMode('/sys/both', 0o600)
    expect(failure(() => fs.open('/sys/both', 'read'))).toBe('EACCES')
    fs.changeOwner('/sys/both', 1000, 1000)
    fs.open('/sys/both', 'write').writeAt(new TextEncoder().encode('mine'), 0)
    expect(written).toEqual(['mine'])
    fs.changeOwner('/sys/both', 0, 1000)
    fs.changeMode('/sys/both', 0o640)
    expect(failure(() => fs.open('/sys/both', 'read'))).toBeUndefined()
    expect(failure(() => fs.open('/sys/both', 'write'))).toBe('EACCES')
  })

  it('of a device node are asked before it is opened', () => {
    const { fs, process } = tree()
    let opened = 0
    const node = deviceNode(0o600, (access) => {
      opened++
      return new TextOpenFile(
        '/dev/x',
        access,
        textFile(() => ''),
      )
    })
    fs.put('/dev/x', node)
    process.setUid(1000)
    expect(failure(() => fs.open('/dev/x', 'read-write'))).toBe('EACCES')
    expect(opened).toBe(0)
    process.setCapabilities(['CAP_DAC_OVERRIDE'])
    fs.open('/dev/x', 'read-write')
    expect(opened).toBe(1)
  })
})

describe('open text', () => {
  it('is read in pieces, and made anew when read from the start', () => {
    let version = 0
    const file = new TextOpenFile(
      '/x',
      'read',
      textFile(() => `version ${version++}`),
    )
    const bytes = new Uint8Array(4)
    const piece = (position: number) => {
      const count = file.readAt(bytes, position)
      return new TextDecoder().decode(bytes.subarray(0, count))
    }
    expect([piece(0), piece(4), piece(8), piece(12)]).toEqual(['vers', 'ion ', '0', ''])
    expect(piece(0) + piece(4) + piece(8)).toBe('version 1')
  })

  it('keeps letters of several bytes whole, however long the text', () => {
    const text = `${'x'.repeat(4095)}é${'ü'.repeat(5000)}`
    expect(
      readWhole(
        new TextOpenFile(
          '/x',
          'read',
          textFile(() => text),
        ),
      ),
    ).toBe(text)
  })
})
