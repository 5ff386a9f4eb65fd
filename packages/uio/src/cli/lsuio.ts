import { isDmaError, type Kernel } from '@linux-dma/core'
import { parsePciAddress } from '@linux-dma/pci'
import { findUioDevice } from '../discovery/find-device'
import { howToGetOne, listUioDevices } from '../discovery/list-devices'
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

/** The command's exit statuses. That there is no device is an answer. */
const LISTED = 0
const FAILED = 1
const USAGE = 2

/** What has the form of a PCI address, if not the digits of one. */
const LIKE_A_PCI_ADDRESS = /^[\da-f:]+\.[\da-f]$/i

/**
 * The command `lsuio`.
 * @param args what stands behind its name
 * @returns the exit status: 0; 1 where a device that was named is not there, or they cannot be listed; 2 for a wrong use
 */
export function lsuio(args: readonly string[], options: LsuioOptions): number {
  const { stdout, stderr } = options
  let parsed: LsuioArguments
  let wanted: UioSelector[]
  try {
    parsed = parseArguments(args)
    wanted = parsed.devices.map(selectorOf)
  } catch (error) {
    stderr.write(`lsuio: ${(error as Error).message}\n'lsuio --help' has the options\n`)
    return USAGE
  }
  if (parsed.help || parsed.version) {
    stdout.write(parsed.help ? help : `${options.version}\n`)
    return LISTED
  }
  try {
    list(parsed, wanted, options)
    return LISTED
  } catch (error) {
    if (!isDmaError(error)) throw error
    stderr.write(`lsuio: ${error.message}\n`)
    return FAILED
  }
}

function list(
  { json, verbose }: LsuioArguments,
  wanted: readonly UioSelector[],
  options: LsuioOptions,
): void {
  const kernel = options.kernel()
  const all = listUioDevices({ kernel })
  const devices = wanted.length === 0 ? all : chosen(kernel, all, wanted)
  if (json) options.stdout.write(`${JSON.stringify(toJson(devices), null, 2)}\n`)
  else if (devices.length > 0) {
    const text = verbose ? devices.map(describeFully).join('\n\n') : describeBriefly(devices)
    options.stdout.write(`${text}\n`)
  }
  if (devices.length === 0) {
    options.stderr.write(`lsuio: there is no UIO device\n  hint: ${howToGetOne()}\n`)
  }
}

/** Those that are meant, in the order of their numbers. A name stands for all that have it. */
function chosen(
  kernel: Kernel,
  all: readonly UioDeviceInfo[],
  selectors: readonly UioSelector[],
): UioDeviceInfo[] {
  for (const selector of selectors) {
    // What is not among them is looked for on its own, for the error that says why it is not there.
    if (!all.some((device) => isMeant(device, selector))) findUioDevice(kernel, selector)
  }
  return all.filter((device) => selectors.some((selector) => isMeant(device, selector)))
}

/** @throws DMA_INVALID_ARGUMENT for what was meant as a PCI address and is none */
function selectorOf(word: string): UioSelector {
  if (/^\d+$/.test(word)) return Number(word)
  if (/^(\/dev\/)?uio\d+$/.test(word)) return word
  return LIKE_A_PCI_ADDRESS.test(word) ? { pci: parsePciAddress(word) } : { name: word }
}

function isMeant({ number, node, path, name, pci }: UioDeviceInfo, selector: UioSelector): boolean {
  if (typeof selector !== 'object') return [number, node, path].includes(selector)
  return 'pci' in selector ? pci?.address === selector.pci : name === selector.name
}
