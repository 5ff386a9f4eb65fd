import { spawn } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { linuxKernel } from '@linux-dma/core'
import { realDmaBufImporter } from './dma-buf-importer-real'
import type { Host, ProcessOptions, ProcessOutcome } from './host'
import { groupPath } from './raw-vfio'
import { realUio } from './real-uio'
import type { ScenarioOutcome } from './scenarios'

const folder = path.dirname(fileURLToPath(import.meta.url))
const USER = 1000

/** The machine that this runs on, which has to have an edu device bound to vfio-pci. */
export function realHost(): Host {
  const kernel = linuxKernel()
  // In the order of their addresses: the first has 28 address lines, the second all.
  const [edu, wide] = devices((id) => id === '0x1234 0x11e8')
  const nvme = devices((id) => id === '0x1b36 0x0010')[0]
  const ahci = devices((id) => id === '0x8086 0x2922')[0]
  if (!edu || !wide || !nvme || !ahci)
    throw new Error('this machine has not got two edu devices, NVMe and AHCI: run this in the lab')
  return {
    name: 'real',
    kernel,
    edu,
    eduAddressBits: 28,
    wideEdu: wide,
    uio: realUio(kernel, wide),
    nvme,
    ahci,
    get shared() {
      return sharedGroup()
    },
    modeOf: (path) => statSync(path).mode & 0o7777,
    async unbind(address) {
      const command = `echo ${address} > /sys/bus/pci/devices/${address}/driver/unbind`
      const { status, output } = await run('/bin/sh', ['-c', command])
      if (status !== 0) throw new Error(output)
    },
    async asUser(scenario, { ownsGroup, memlockBytes }) {
      const node = groupPath(kernel, edu)
      chownSync(node, ownsGroup ? USER : 0, 0)
      try {
        const script = path.join(folder, 'scenario.js')
        const command = `ulimit -l ${memlockBytes / 1024}; exec "$0" "$@"`
        const args = ['-c', command, process.execPath, script, scenario, edu]
        const { output } = await run('/bin/sh', args, { uid: USER, gid: USER })
        return JSON.parse(output) as ScenarioOutcome
      } finally {
        chownSync(node, 0, 0)
      }
    },
    importDmaBuf: (fd) => realDmaBufImporter(kernel, fd),
    runProgram: run,
    async runProcess(source, options) {
      // Beside this file, so that the packages resolve from it.
      const scratch = mkdtempSync(path.join(folder, 'process-'))
      try {
        const file = path.join(scratch, 'main.mjs')
        writeFileSync(file, source)
        return await run(process.execPath, [file], options)
      } finally {
        rmSync(scratch, { recursive: true })
      }
    },
  }

  function devices(wanted: (id: string) => boolean): string[] {
    const pci = '/sys/bus/pci/devices'
    const id = (address: string) =>
      ['vendor', 'device'].map((file) => kernel.readText(`${pci}/${address}/${file}`).trim()).join(' ')
    return kernel.list(pci).filter((address) => wanted(id(address)))
  }

  /** The SATA and SMBus functions of the chipset, which share a group. A SATA card of its own is in another. */
  function sharedGroup(): Host['shared'] {
    for (const second of devices((id) => id === '0x8086 0x2930')) {
      const first = devices((id) => id === '0x8086 0x2922').find(
        (address) => groupPath(kernel, address) === groupPath(kernel, second),
      )
      if (first) return { first, second, otherDriver: 'uio_pci_generic' }
    }
    throw new Error('this machine is not the q35 that the lab boots')
  }
}

function run(
  command: string,
  words: readonly string[],
  { descriptors = [], ...user }: ProcessOptions & { uid?: number; gid?: number } = {},
): Promise<ProcessOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, {
      ...user,
      stdio: ['ignore', 'pipe', 'pipe', ...descriptors],
      timeout: 60_000,
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        output += chunk
      })
    }
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal, output }))
  })
}
