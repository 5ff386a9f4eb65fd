import { expect, it } from 'vitest'
import { planEntries } from './plan.mjs'

it('tells the guest what to load, with parameters, and which devices to bind', () => {
  const entries = planEntries({
    token: 'token',
    jobs: [{ id: 'script', directory: '/app', command: ['node', "it's"] }],
    modules: ['uio_dma_mem variant=flag', 'uio_pci_generic'],
    bindings: [
      { device: '1234:11e8', driver: 'uio_pci_generic', which: 'every' },
      { device: '1b36:0010', driver: 'vfio-pci', which: 'first' },
    ],
    timeoutSeconds: 9,
  })
  const text = (path: string) =>
    Buffer.from(entries.find((entry) => entry.path === path)?.data ?? []).toString()
  expect(text('/lab/modules')).toBe('uio_dma_mem variant=flag\nuio_pci_generic\n')
  expect(text('/lab/bindings')).toBe('1234:11e8 uio_pci_generic every\n1b36:0010 vfio-pci first\n')
  expect(text('/lab/plan.sh')).toBe("job script '/app' 'node' 'it'\\''s'\n")
})
