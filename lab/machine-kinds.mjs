/**
 * @typedef {object} MachineKind one of the machines that the suites are run on
 * @property {string} name as conformance names it
 * @property {boolean} interruptRemapping
 * @property {string[]} append further words of the kernel's command line
 * @property {boolean} binds whether devices are bound to drivers: without an IOMMU, vfio-pci takes none
 */

/** The machine of every other mode of the lab: it has all that there is. */
export const defaultKind = { name: 'iommu', interruptRemapping: true, append: [], binds: true }

/** @type {readonly MachineKind[]} */
export const machineKinds = [
  defaultKind,
  { name: 'no-remapping', interruptRemapping: false, append: [], binds: true },
  { name: 'no-iommu', interruptRemapping: true, append: ['intel_iommu=off'], binds: false },
]

/**
 * What is asked for on the command line, on a machine of this kind.
 * @param {import('./arguments.mjs').LabOptions} options
 * @param {MachineKind} kind
 * @returns {import('./arguments.mjs').LabOptions}
 */
export function optionsFor(options, { interruptRemapping, append, binds }) {
  return {
    ...options,
    interruptRemapping,
    append: [...options.append, ...append],
    bindings: binds ? options.bindings : new Map(),
  }
}
