import { cacheDirectory } from './cache.mjs'
import { findGuestKernel } from './guest-kernel.mjs'
import { baseImage } from './initramfs.mjs'
import { buildModules } from './kernel-modules.mjs'
import { obtain } from './lab-error.mjs'
import { kindsFor } from './machine-kinds.mjs'
import { buildPrograms } from './programs.mjs'
import { findTools } from './tools.mjs'

/** @typedef {import('./machine-kinds.mjs').MachineKind} MachineKind */
/** @typedef {import('./virtual-machine.mjs').Machine} Machine */

/**
 * Gets together what the machines that are to be booted are made of: most have one kernel in common.
 * @param {import('./arguments.mjs').LabOptions} options
 * @param {(line: string) => void} say
 * @returns {Promise<(kind: MachineKind) => Machine>} of the kinds that the options ask for
 */
export async function prepareMachines(options, say) {
  const cache = cacheDirectory()
  const kinds = kindsFor(options)
  const tools = await obtainParts(() => findTools(cache, say))
  const builtPrograms = kinds.some((kind) => kind.builtPrograms) ? await buildPrograms(cache, { say }) : []
  /** @type {Map<string, Machine>} */
  const machines = new Map()
  for (const flavour of new Set(kinds.map((kind) => kind.flavour))) {
    const { kernel, image } = await obtainParts(async () => {
      const kernel = await findGuestKernel(cache, { ...options, flavour }, say)
      return { kernel, image: await baseImage(cache, { kernel, busybox: tools.busybox }) }
    })
    // Most machines do without: what they take is not asked for then.
    const builds = kinds.some((kind) => kind.flavour === flavour && kind.builtModules)
    const builtModules = builds ? await buildModules(cache, { ...tools, kernel, say }) : []
    machines.set(flavour, { emulator: tools.emulator, kernel, baseImage: image, builtModules, builtPrograms })
  }
  return (kind) => /** @type {Machine} */ (machines.get(kind.flavour))
}

/**
 * @template T
 * @param {() => Promise<T>} work
 */
function obtainParts(work) {
  const hint = 'apt-get install qemu-system-x86 busybox-static, or bring the network up for the first run'
  return obtain('the emulator or the kernel', hint, work)
}
