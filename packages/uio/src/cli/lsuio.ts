import { isDmaError, type Kernel } from '@linux-dma/core'
import { bindCommands, parsePciAddress } from '@linux-dma/pci'
import { findUioDevice } from '../discovery/find-device'
import { listUioDevices } from '../discovery/list-devices'
import type { UioDeviceInfo, UioSelector } from '../discovery/uio-device-info'
import { type LsuioArguments, parseArguments } from './arguments'
import { describeBriefly, describeFully } from './describe'
import { help } from './help'
import { toJson } from './json'

/** Where text goes: a stream of Node.js is one. */
export interface TextSink {
  write(text: string): unknown
}

/** What the command runs on. */
export interface LsuioOptions {
  /** Asked for when it is needed: help needs none. */
  readonly kernel: () => Kernel
  readonly stdout: TextSink
  readonly stderr: TextSink
  readonly version: string
}

/** The command's exit statuses. */
const LISTED = 0
const NOTHING = 1
const USAGE = 2

/**
 * The command `lsuio`.
 * @param args what stands behind its name
 * @returns the exit status: 0; 1 where there is no such device, or they cannot be listed; 2 for a wrong option
 */
export function lsuio(args: readonly string[], options: LsuioOptions): number {
  const { stdout, stderr } = options
  let parsed: LsuioArguments
  try {
    parsed = parseArguments(args)
  } catch (error) {
    stderr.write(`lsuio: ${(error as Error).message}\n'lsuio --help' has the options\n`)
    return USAGE
  }
  if (parsed.help || parsed.version) {
    stdout.write(parsed.help ? help : `${options.version}\n`)
    return LISTED
  }
  try {
    return list(parsed, options)
  } catch (error) {
    if (!isDmaError(error)) throw error
    stderr.write(`lsuio: ${error.message}\n`)
    return NOTHING
  }
}

function list({ devices: wanted, json, verbose }: LsuioArguments, options: LsuioOptions): number {
  const kernel = options.kernel()
  const all = listUioDevices({ kernel })
  const devices = wanted.length === 0 ? all : chosen(kernel, all, wanted)
  if (json) options.stdout.write(`${JSON.stringify(toJson(devices), null, 2)}\n`)
  else if (devices.length > 0) {
    const text = verbose ? devices.map(describeFully).join('\n\n') : describeBriefly(devices)
    options.stdout.write(`${text}\n`)
  }
  if (devices.length > 0) return LISTED
  const commands = bindCommands('0000:01:00.0', 'its driver', 'uio_pci_generic')
  options.stderr.write(
    `lsuio: there is no UIO device\n  hint: 'lspci -D' has the address of a PCI device; ${commands}\n`,
  )
  return NOTHING
}

/** Those that are meant, in the order of their numbers. A name stands for all that have it. */
function chosen(kernel: Kernel, all: readonly UioDeviceInfo[], wanted: readonly string[]): UioDeviceInfo[] {
  const selectors = wanted.map(selectorOf)
  for (const selector of selectors) {
    // What is not among them is looked for on its own, for the error that says why it is not there.
    if (!all.some((device) => isMeant(device, selector))) findUioDevice(kernel, selector)
  }
  return all.filter((device) => selectors.some((selector) => isMeant(device, selector)))
}

function selectorOf(word: string): UioSelector {
  if (/^\d+$/.test(word)) return Number(word)
  if (/^(\/dev\/)?uio\d+$/.test(word)) return word
  return /^[\da-f:]+\.[0-7]$/i.test(word) ? { pci: parsePciAddress(word) } : { name: word }
}

function isMeant({ number, node, path, name, pci }: UioDeviceInfo, selector: UioSelector): boolean {
  if (typeof selector !== 'object') return [number, node, path].includes(selector)
  return 'pci' in selector ? pci?.address === selector.pci : name === selector.name
}
