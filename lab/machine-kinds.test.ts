import { describe, expect, it } from 'vitest'
import { parseLabArguments } from './arguments.mjs'
import { defaultKind, findKind, machineKinds, optionsFor, stockModules } from './machine-kinds.mjs'

const first = (device: string, driver: string) => ({ device, driver, which: 'first' })
const every = (device: string, driver: string) => ({ device, driver, which: 'every' })
const bindings = (argv: string[], kind = defaultKind) => optionsFor(parseLabArguments(argv), kind).bindings

describe('findKind', () => {
  it('finds a machine by its name', () => {
    expect(machineKinds.map(({ name }) => findKind(name))).toEqual(machineKinds)
    expect(findKind('iommu')).toBe(defaultKind)
  })

  it('names those that there are', () => {
    expect(() => findKind('vfio')).toThrow(
      expect.objectContaining({ exitStatus: 2, message: expect.stringContaining('pass-through') }),
    )
  })
})

describe('a machine', () => {
  it('loads nothing that is not in it', () => {
    for (const { modules, builtModules } of machineKinds) {
      const built = modules.filter((module) => !stockModules.includes(module))
      expect(built.length > 0).toBe(builtModules)
    }
  })

  it('has the small kernel, unless that lacks something', () => {
    const others = machineKinds.filter(({ flavour }) => flavour !== 'cloud-amd64')
    expect(others.map(({ name, flavour }) => [name, flavour])).toEqual([['dma-buf', 'amd64']])
  })

  it('has one UIO core', () => {
    for (const { modules } of machineKinds) {
      expect(modules.filter((module) => /^(uio|uio_dma_mem)( |$)/.test(module))).toHaveLength(1)
    }
  })
})

describe('optionsFor', () => {
  it('binds the first edu to vfio-pci unless told otherwise', () => {
    expect(bindings([])).toContainEqual(first('1234:11e8', 'vfio-pci'))
    expect(bindings(['--bind', '1234:11e8=none']).map(({ device }) => device)).not.toContain('1234:11e8')
  })

  it('binds every device of the kind that is asked for, and that kind as asked only', () => {
    const found = bindings(['--bind', '1234:11e8=uio_pci_generic'])
    expect(found.filter(({ device }) => device === '1234:11e8')).toEqual([
      every('1234:11e8', 'uio_pci_generic'),
    ])
    expect(found).toContainEqual(first('1b36:0010', 'vfio-pci'))
  })

  it('binds both edu where both are to share a buffer', () => {
    expect(bindings([], findKind('dma-buf'))).toEqual([every('1234:11e8', 'vfio-pci')])
    expect(bindings(['--bind', '1234:11e8=none'], findKind('dma-buf'))).toEqual([])
  })

  it('binds what is asked for where nothing is bound else', () => {
    const kind = findKind('uio-drivers')
    expect(bindings([], kind)).toEqual([])
    expect(bindings(['--bind', '1234:11e8=lab_edu_platform'], kind)).toEqual([
      every('1234:11e8', 'lab_edu_platform'),
    ])
  })

  it('adds the words of the machine to those asked for', () => {
    const options = parseLabArguments(['--append', 'nokaslr'])
    expect(optionsFor(options, findKind('pass-through')).append).toEqual(['nokaslr', 'iommu=pt'])
  })
})
