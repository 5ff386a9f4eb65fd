import { LabError } from './lab-error.mjs'

/**
 * @typedef {'cloud-amd64' | 'amd64'} Flavour which of Debian's kernels: the small one for virtual machines, or the one of
 *   most machines, three times as large
 */

/**
 * @typedef {object} MachineKind one of the machines that there are to boot
 * @property {string} name as conformance names it
 * @property {Flavour} flavour of its kernel
 * @property {boolean} interruptRemapping
 * @property {readonly string[]} append further words of the kernel's command line
 * @property {readonly Binding[]} bindings
 * @property {readonly string[]} modules what it loads, in that order, each with its parameters
 * @property {boolean} builtModules whether the modules built by the lab are in it, loaded or not
 * @property {boolean} builtPrograms whether its search path has the programs in C that the lab built
 */

/**
 * @typedef {object} Binding
 * @property {string} device `vendor:device`
 * @property {string} driver
 * @property {'first' | 'every'} which
 */

/**
 * @typedef {Omit<import('./arguments.mjs').LabOptions, 'bindings'>
 *   & Pick<MachineKind, 'interruptRemapping' | 'modules' | 'builtModules' | 'builtPrograms'>
 *   & { bindings: Binding[] }} GuestOptions
 *   what is asked for on the command line, on a machine of some kind
 */

const vfio = [
  'irqbypass',
  'vfio',
  // Without allow_unsafe_interrupts: the emulated IOMMU isolates interrupts, as that of a real machine does.
  'vfio_iommu_type1',
  'vfio-pci-core',
  'vfio-pci',
]
const uio = ['uio', 'uio_pci_generic']

/** The modules that come with the kernel. */
export const stockModules = [...vfio, ...uio]

/** @type {readonly Binding[]} */
const boundToVfio = ['1234:11e8', '1b36:0005', '1b36:0010', '8086:100e'].map((device) => ({
  device,
  driver: 'vfio-pci',
  which: 'first',
}))

/** @type {Omit<MachineKind, 'name'>} */
const stock = {
  flavour: 'cloud-amd64',
  interruptRemapping: true,
  append: [],
  bindings: boundToVfio,
  modules: stockModules,
  builtModules: false,
  builtPrograms: false,
}

/** Programs on machines of these kinds bind devices themselves. */
const unbound = { ...stock, bindings: [] }

/** The machine of whatever asks for none: it has all that there is. @type {MachineKind} */
export const defaultKind = { name: 'iommu', ...stock }

/** @type {readonly MachineKind[]} */
export const machineKinds = [
  defaultKind,
  { name: 'no-remapping', ...stock, interruptRemapping: false },
  // Without an IOMMU, vfio-pci takes no device.
  { name: 'no-iommu', ...unbound, append: ['intel_iommu=off'] },
  { name: 'pass-through', ...unbound, append: ['iommu=pt'] },
  {
    name: 'uio-drivers',
    ...unbound,
    append: ['intel_iommu=off'],
    modules: [...uio, 'uio_pdrv_genirq', 'uio_dmem_genirq', 'lab_edu_platform', 'lab_uio'],
    builtModules: true,
  },
  {
    name: 'uio-dma-memory',
    ...unbound,
    // Strict: an address that was given back is at once one that the device cannot reach.
    append: ['iommu.strict=1'],
    modules: ['uio_dma_mem variant=magic', 'uio_pci_generic'],
    builtModules: true,
  },
  {
    name: 'dma-buf',
    ...stock,
    // The small one was built without sync files.
    flavour: 'amd64',
    // One buffer for devices under VFIO, and for one under UIO, which has physical addresses.
    append: ['iommu=pt'],
    bindings: [{ device: '1234:11e8', driver: 'vfio-pci', which: 'every' }],
    // The buffer lies where the edu device of 28 address bits reaches it.
    modules: [...stockModules, 'lab_dma_buf', 'lab_u_dma_buf udmabuf0=1048576 dma_mask_bit=28'],
    builtModules: true,
    builtPrograms: true,
  },
]

/**
 * @param {string} name
 * @returns {MachineKind}
 * @throws {LabError} exit status 2 if there is none of that name
 */
export function findKind(name) {
  const kind = machineKinds.find((candidate) => candidate.name === name)
  if (kind) return kind
  const names = machineKinds.map((candidate) => candidate.name).join(', ')
  throw new LabError(`--machine ${name}: expected one of ${names}`, {
    hint: 'npm run lab -- --help',
    exitStatus: 2,
  })
}

/**
 * The machines that are booted.
 * @param {Pick<import('./arguments.mjs').LabOptions, 'mode' | 'machine'>} options
 * @returns {readonly MachineKind[]}
 */
export function kindsFor({ mode, machine }) {
  if (machine) return [machine]
  return mode === 'suite' ? machineKinds : [defaultKind]
}

/**
 * What is asked for on the command line, on a machine of this kind.
 * @param {import('./arguments.mjs').LabOptions} options
 * @param {MachineKind} kind
 * @returns {GuestOptions}
 */
export function optionsFor(options, kind) {
  const { interruptRemapping, append, bindings, modules, builtModules, builtPrograms } = kind
  return {
    ...options,
    interruptRemapping,
    modules,
    builtModules,
    builtPrograms,
    append: [...options.append, ...append],
    bindings: mergeBindings(bindings, options.bindings),
  }
}

/**
 * What a person asks for is for every such device, and in the place of what the machine would do with them.
 * @param {readonly Binding[]} own
 * @param {ReadonlyMap<string, string>} asked
 * @returns {Binding[]}
 */
function mergeBindings(own, asked) {
  /** @type {Binding[]} */
  const every = [...asked]
    .filter(([, driver]) => driver !== 'none')
    .map(([device, driver]) => ({ device, driver, which: 'every' }))
  return [...own.filter(({ device }) => !asked.has(device)), ...every]
}
