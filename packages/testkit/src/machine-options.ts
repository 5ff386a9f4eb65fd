import { checkInteger, checkOptionNames } from './arguments'
import { type CheckSettings, checkSettings } from './check-settings'
import { invalidArgument } from './errors'
import type { Capability } from './process'
import type { UioDmaMemory } from './uio/uio-class'

/** What a fake machine is like. Every option has a default; a misspelled name throws. */
export interface FakeMachineOptions {
  /** Where the machine's random numbers start: 0 to 2^32-1. 1 by default. */
  seed?: number
  /** `false`: time moves only when registers are accessed and through `machine.clock.advance()`. */
  autoAdvance?: boolean
  /**
   * `off`: no IOMMU groups and no VFIO devices; bus addresses are physical ones. `passthrough`: groups and VFIO, and
   * physical addresses for what VFIO does not have. `on` by default.
   */
  iommu?: 'on' | 'off' | 'passthrough'
  /** Whether the IOMMU checks interrupt messages: without it VFIO_SET_IOMMU is `EPERM`. True by default. */
  interruptRemapping?: boolean
  /** The parameter `allow_unsafe_interrupts` of vfio_iommu_type1. False by default. */
  allowUnsafeInterrupts?: boolean
  /** The parameter `dma_entry_limit` of vfio_iommu_type1: mappings that a container may have. 65535 by default. */
  dmaEntryLimit?: number
  /** User id of the fake process. 0 (root) by default. */
  uid?: number
  /** Capabilities; by default all of them for uid 0 and none for anybody else. */
  capabilities?: readonly Capability[]
  /** RLIMIT_MEMLOCK in bytes, `Infinity` for none. 8 MiB by default; root is not bound by it. */
  memlockLimit?: number
  /** RLIMIT_NOFILE. 1024 by default. */
  openFileLimit?: number
  /** Bytes of memory, as /proc/meminfo tells: what DMA-BUF heaps have to give. 4 GiB by default. */
  memory?: number
  /** 2 MiB pages in the pool. 0 by default. */
  hugePages?: number
  /** Release of the kernel, as uname(2) tells it. '6.12.0' by default. Below 6.9, uio_dmem_genirq shows bus addresses. */
  kernelRelease?: string
  /**
   * Whether the UIO core gives out DMA memory by mmap: `magic`, as a patch of 2008 does it; `flag`, as its review wanted it.
   * No Linux has either: `none` by default.
   */
  uioDmaMemory?: UioDmaMemory
  /**
   * What becomes of a misuse of the DMA API that goes unnoticed on a machine of its own, such as buffers that share a cache line: `throw`, the
   * default, `warn`, `collect`, or `off` for not looking. An object says that and more: see {@link CheckSettings}. All are in
   * `machine.dmaErrors`.
   */
  checks?: 'throw' | 'warn' | 'collect' | 'off' | CheckSettings
  /** Whether `machine.trace` has what happens, true by default. Without it, and without checks, a mapping costs what it costs on Linux. */
  trace?: boolean
  /**
   * What devices see of what is in the CPU's caches. `coherent`, the default: all of it, as on x86. `write-back`: nothing, as on many Arm
   * machines: without its syncs a driver shows and sees bytes that are out of date, every time. `bounce`: every streaming mapping is a copy,
   * as on Linux with `swiotlb=force`.
   */
  coherence?: 'coherent' | 'write-back' | 'bounce'
  /** Bytes in a line of the CPU's caches, a power of two from 16 to 4096. 64 by default. */
  cacheLineSize?: number
}

/** The options with everything decided, except for what depends on another. */
export type CheckedOptions = Required<Omit<FakeMachineOptions, 'capabilities'>> &
  Pick<FakeMachineOptions, 'capabilities'>

const defaults: CheckedOptions = {
  seed: 1,
  autoAdvance: true,
  iommu: 'on',
  interruptRemapping: true,
  allowUnsafeInterrupts: false,
  dmaEntryLimit: 65535,
  uid: 0,
  capabilities: undefined,
  memlockLimit: 8 * 1024 * 1024,
  openFileLimit: 1024,
  memory: 4 * 2 ** 30,
  hugePages: 0,
  kernelRelease: '6.12.0',
  uioDmaMemory: 'none',
  checks: 'throw',
  trace: true,
  coherence: 'coherent',
  cacheLineSize: 64,
}

/** Fills in the defaults. @throws `DMA_INVALID_ARGUMENT` */
export function checkMachineOptions(options: FakeMachineOptions): CheckedOptions {
  checkOptionNames(options, Object.keys(defaults), 'createFakeMachine')
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const checked: CheckedOptions = { ...defaults, ...given }
  for (const name of ['autoAdvance', 'interruptRemapping', 'allowUnsafeInterrupts', 'trace'] as const) {
    if (typeof checked[name] !== 'boolean') invalidArgument(`${name} is neither true nor false`)
  }
  checkChoice(checked.iommu, 'iommu', ['on', 'off', 'passthrough'])
  checkUioDmaMemory(checked.uioDmaMemory)
  checkSettings(checked.checks)
  checkChoice(checked.coherence, 'coherence', ['coherent', 'write-back', 'bounce'])
  checkInteger(checked.cacheLineSize, 'cacheLineSize', 16, 4096)
  if (!Number.isInteger(Math.log2(checked.cacheLineSize))) invalidArgument('cacheLineSize is no power of two')
  checkKernelRelease(checked.kernelRelease)
  checkInteger(checked.dmaEntryLimit, 'dmaEntryLimit', 0, 0xffffffff)
  checkInteger(checked.memory, 'memory', 0)
  checkInteger(checked.hugePages, 'hugePages', 0, 65536)
  return checked
}

/** @throws `DMA_INVALID_ARGUMENT` */
export function checkUioDmaMemory(variant: UioDmaMemory): UioDmaMemory {
  checkChoice(variant, 'uioDmaMemory', ['none', 'magic', 'flag'])
  return variant
}

/** @throws `DMA_INVALID_ARGUMENT` */
export function checkKernelRelease(release: string): string {
  if (typeof release === 'string' && /^\d+\.\d+/.test(release)) return release
  return invalidArgument("kernelRelease is a text such as '6.12.0'")
}

function checkChoice(value: string, name: string, choices: readonly string[]): void {
  if (!choices.includes(value)) invalidArgument(`${name} is one of ${choices.join(', ')}`)
}
