import { describe, expect, it } from 'vitest'
import { parseLabArguments } from './arguments.mjs'

describe('parseLabArguments', () => {
  it('runs the suite by default, within twenty minutes', () => {
    expect(parseLabArguments([])).toMatchObject({
      mode: 'suite',
      timeoutSeconds: 1200,
      memory: '2G',
      run: undefined,
    })
  })

  it('leaves what follows the script to the script', () => {
    const options = parseLabArguments([
      '--timeout',
      '20',
      '--run',
      'driver.ts',
      '--vfio',
      '0000:00:04.0',
      '--help',
    ])
    expect(options).toMatchObject({ mode: 'run', timeoutSeconds: 20 })
    expect(options.run).toEqual({ file: 'driver.ts', arguments: ['--vfio', '0000:00:04.0', '--help'] })
  })

  it('takes --run=FILE and a -- between script and arguments', () => {
    expect(parseLabArguments(['--run=a.mjs', '--', '-x']).run).toEqual({ file: 'a.mjs', arguments: ['-x'] })
  })

  it('gives a prompt no time limit unless asked', () => {
    expect(parseLabArguments(['--shell']).timeoutSeconds).toBe(0)
    expect(parseLabArguments(['--shell', '--timeout', '9']).timeoutSeconds).toBe(9)
  })

  it('leaves it to the machine what is bound unless told otherwise', () => {
    expect(parseLabArguments([]).bindings.size).toBe(0)
    const { bindings } = parseLabArguments([
      '--bind',
      '1234:11e8=uio_pci_generic',
      '--bind',
      '1b36:0010=none',
    ])
    expect([...bindings]).toEqual([
      ['1234:11e8', 'uio_pci_generic'],
      ['1b36:0010', 'none'],
    ])
  })

  it('takes the machine to boot, for every way to use it', () => {
    expect(parseLabArguments([]).machine).toBeUndefined()
    expect(parseLabArguments(['--machine', 'uio-drivers', '--run', 'a.mjs']).machine?.name).toBe(
      'uio-drivers',
    )
    expect(parseLabArguments(['--shell', '--machine=no-iommu']).machine?.name).toBe('no-iommu')
  })

  it('takes a count for the fuzzer', () => {
    expect(parseLabArguments([]).fuzzOperations).toBe(2000)
    expect(parseLabArguments(['--fuzz-operations', '20000']).fuzzOperations).toBe(20_000)
    expect(() => parseLabArguments(['--fuzz-operations=many'])).toThrow('0 to 99999999')
  })

  it('takes a seed for the fuzzer', () => {
    expect(parseLabArguments([]).fuzzSeed).toBe(1)
    expect(parseLabArguments(['--fuzz-seed', '7']).fuzzSeed).toBe(7)
    for (const seed of ['-1', 'x', '2147483648', '1.5'])
      expect(() => parseLabArguments([`--fuzz-seed=${seed}`])).toThrow('0 to 2147483647')
  })

  it('takes a kernel in several packages', () => {
    const argv = ['--kernel', 'linux-image.deb', '--kernel', 'linux-headers.deb']
    expect(parseLabArguments(argv).kernelPackages).toEqual(['linux-image.deb', 'linux-headers.deb'])
    expect(parseLabArguments([]).kernelPackages).toEqual([])
  })

  it.each([
    [['--nosuch']],
    [['stray']],
    [['--run']],
    [['--shell', '--run', 'a.mjs']],
    [['--timeout', '-1']],
    [['--timeout', '1.5']],
    [['--memory', '2 pages']],
    [['--bind', '1234:11e8']],
    [['--bind', '1234:11e8=e1000']],
    [['--machine', 'vfio']],
    [['--machine']],
  ])('refuses %j with exit status 2', (argv) => {
    expect(() => parseLabArguments(argv)).toThrow(expect.objectContaining({ exitStatus: 2 }))
  })
})
