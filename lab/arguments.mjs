import { parseArgs } from 'node:util'
import { LabError } from './lab-error.mjs'
import { findKind } from './machine-kinds.mjs'

/** What `npm run lab -- --help` prints. */
export const help = `Runs the packages' tests and examples on a real Linux kernel, in QEMU.

  npm run lab                              conformance and examples, on the fake and on the real kernel
  npm run lab -- --run FILE [ARGUMENT…]    your own script (.ts, .mts, .cts, .js, .mjs, .cjs) on the real kernel
  npm run lab -- --shell                   a prompt on the real kernel, with lsuio and node; ctrl-A x or "poweroff" ends it

Options (before FILE):
  --machine KIND        which machine to boot, or to run the suites of (below)
  --device DEVICE       one more QEMU device, as in "--device nvme,serial=1,drive=none0" (repeatable)
  --bind ID=DRIVER      bind PCI devices vendor:device to vfio-pci, uio_pci_generic or (on uio-drivers) to
                        lab_edu_platform, as in "--bind 1234:11e8=uio_pci_generic"; "none" leaves them unbound
                        (repeatable)
  --append WORDS        more words for the kernel's command line, as in "intel_iommu=off" (repeatable)
  --memory SIZE         the guest's memory in QEMU's units (default 2G)
  --timeout SECONDS     end the guest after this long, with exit status 124 (default 300, for the suites 1200; 0: never)
  --fuzz-operations N   how many operations of each family the suites' fuzzer compares (default 2000; 0: none)
  --fuzz-seed N         which random operations the suites' fuzzer makes, 0 to 2147483647 (default 1)
  --kernel-log          print the guest's kernel log at the end
  --kernel FILE         use this linux-image-….deb instead of Debian's newest (repeatable, for its linux-headers-….deb
                        and linux-kbuild-….deb, which the last three machines need)
  --update              ask Debian again for the newest kernel, even if one is in the cache
  --help                this text

What FILE imports is bundled with it, and a script that it names by new URL('./worker.ts', import.meta.url),
for a worker or another process. Types are not checked: npm run typecheck -- FILE.

Machines:
  iommu            an IOMMU, VFIO, udmabuf, heaps: the one that is booted unless another is asked for
  no-remapping     the same, without interrupt remapping
  no-iommu         no IOMMU
  pass-through     an IOMMU that passes addresses through
  uio-drivers      no IOMMU; uio_pdrv_genirq, uio_dmem_genirq, and UIO devices of the lab's own
  uio-dma-memory   an IOMMU, and a UIO core that allocates DMA memory
  dma-buf          an IOMMU that passes addresses through; fences, an importer of dma-bufs, u-dma-buf, programs in C
The last three have kernel modules that the lab builds: that takes gcc and make, and 150 MB once.

The edu device is at 0000:00:04.0, the AHCI controller at 0000:00:05.0, pci-testdev at 0000:00:06.0,
an NVMe controller at 0000:00:08.0, an e1000 network card at 0000:00:09.0, a second edu at 0000:00:0a.0,
ivshmem at 0000:00:0b.0, an e1000e network card at 0000:00:0c.0. On the first two machines, edu, pci-testdev,
NVMe and e1000 are bound to vfio-pci, on dma-buf both edu; on the others nothing is bound.

Exit status: of what ran in the guest (139: ended by SIGSEGV, signal 11); 124: time limit; 125: the lab
failed; 69: the emulator, the kernel or what its modules are built with cannot be had on this machine.
`

/**
 * @typedef {object} LabOptions
 * @property {'help' | 'suite' | 'shell' | 'run'} mode
 * @property {{ file: string, arguments: string[] } | undefined} run
 * @property {string[]} devices
 * @property {import('./machine-kinds.mjs').MachineKind | undefined} machine undefined: none was asked for
 * @property {Map<string, string>} bindings driver by `vendor:device`, beside those of the machine
 * @property {string[]} append
 * @property {string} memory
 * @property {number} timeoutSeconds 0: no limit
 * @property {number} fuzzSeed
 * @property {number} fuzzOperations
 * @property {boolean} kernelLog
 * @property {string[]} kernelPackages none: Debian's
 * @property {boolean} update
 */

/** The drivers a device can be bound to in the guest. */
const drivers = ['vfio-pci', 'uio_pci_generic', 'lab_edu_platform', 'none']

/**
 * Reads the command line. What follows `--run FILE` belongs to the script, options included.
 * @param {string[]} argv without node and the script
 * @returns {LabOptions}
 * @throws {LabError} exit status 2 for an unknown option or a value out of range
 */
export function parseLabArguments(argv) {
  const { own, rest } = splitAtRun(argv)
  const values = parseOwn(own)
  const bindings = new Map()
  for (const text of values.bind ?? []) {
    const [, device, driver] = /^([0-9a-f]{4}:[0-9a-f]{4})=(\S+)$/.exec(text) ?? []
    if (!device || !driver || !drivers.includes(driver)) {
      throw usage(`--bind ${text}: expected vendor:device=driver, the driver one of ${drivers.join(', ')}`)
    }
    bindings.set(device, driver)
  }
  const shell = values.shell === true
  if (shell && rest) throw usage('--shell and --run exclude each other')
  const memory = values.memory ?? '2G'
  if (!/^[1-9][0-9]*[MG]?$/.test(memory))
    throw usage(`--memory ${memory}: expected a size such as 2G or 3072M`)
  // The suites of one machine take a minute; on a host that does much else besides, ten times as long.
  const timeout = values.timeout ?? (shell ? '0' : rest ? '300' : '1200')
  if (!/^[0-9]{1,6}$/.test(timeout)) throw usage(`--timeout ${timeout}: expected whole seconds, 0 to 999999`)
  const fuzzOperations = values['fuzz-operations'] ?? '2000'
  if (!/^[0-9]{1,8}$/.test(fuzzOperations))
    throw usage(`--fuzz-operations ${fuzzOperations}: expected a whole number, 0 to 99999999`)
  const fuzzSeed = values['fuzz-seed'] ?? '1'
  if (!/^[0-9]{1,10}$/.test(fuzzSeed) || Number(fuzzSeed) >= 2 ** 31)
    throw usage(`--fuzz-seed ${fuzzSeed}: expected a whole number, 0 to 2147483647`)
  return {
    mode: values.help ? 'help' : shell ? 'shell' : rest ? 'run' : 'suite',
    run: rest,
    devices: values.device ?? [],
    machine: values.machine === undefined ? undefined : findKind(values.machine),
    bindings,
    append: values.append ?? [],
    memory,
    timeoutSeconds: Number(timeout),
    fuzzSeed: Number(fuzzSeed),
    fuzzOperations: Number(fuzzOperations),
    kernelLog: values['kernel-log'] === true,
    kernelPackages: values.kernel ?? [],
    update: values.update === true,
  }
}

/** @param {string[]} argv */
function splitAtRun(argv) {
  const at = argv.findIndex((word) => word === '--run' || word.startsWith('--run='))
  if (at < 0) return { own: argv, rest: undefined }
  const word = /** @type {string} */ (argv[at])
  const script = word === '--run' ? argv.slice(at + 1) : [word.slice('--run='.length), ...argv.slice(at + 1)]
  const [file, ...given] = script
  if (!file) throw usage('--run needs a file')
  return { own: argv.slice(0, at), rest: { file, arguments: given[0] === '--' ? given.slice(1) : given } }
}

/** @param {string[]} args */
function parseOwn(args) {
  try {
    return parseArgs({
      args,
      strict: true,
      allowPositionals: false,
      options: {
        append: { type: 'string', multiple: true },
        bind: { type: 'string', multiple: true },
        device: { type: 'string', multiple: true },
        'fuzz-operations': { type: 'string' },
        'fuzz-seed': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        kernel: { type: 'string', multiple: true },
        'kernel-log': { type: 'boolean' },
        machine: { type: 'string' },
        memory: { type: 'string' },
        shell: { type: 'boolean' },
        timeout: { type: 'string' },
        update: { type: 'boolean' },
      },
    }).values
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error))
  }
}

/** @param {string} message */
function usage(message) {
  return new LabError(message, { hint: 'npm run lab -- --help', exitStatus: 2 })
}
