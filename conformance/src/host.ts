import type { Kernel } from '@linux-dma/core'
import type { DmaBufImporter } from './dma-buf-importer'
import type { ScenarioName, ScenarioOutcome } from './scenarios'

/** The part of a test runner that the suites use: vitest's and node:test's both fit. */
export interface Runner {
  describe(name: string, body: () => void): void
  it(name: string, body: () => void | Promise<void>): void
  /** A test that this host cannot show, with the reason, which is printed. */
  skip(name: string, reason: string): void
}

/** What is done to a machine's UIO drivers from outside, as an administrator or a device does it. */
export interface UioHost {
  /** Has `lab_uio`, a driver of the suites' own, report so many interrupts at once. */
  notify(count: number): void
  /** What `lab_uio` was told last through irqcontrol, and how often it was told. */
  irqcontrol(): { last: number; calls: number }
  unbindPlatform(device: string): void
  bindPlatform(device: string, driver: string): void
  /** Makes the wide edu device a platform device that uio_pdrv_genirq drives. */
  addPdrv(): void
  /** The same under uio_dmem_genirq, with regions of 16 and 64 KiB: as it was before Linux 6.9, or as it is since then. */
  addDmem(behaviour: 'old' | 'new'): void
  /** Undoes `addPdrv` and `addDmem`. */
  removePlatformEdu(): void
  /** Loads the UIO core that allocates DMA memory. Nothing may be bound to a UIO driver then. */
  loadDmaMemory(variant: 'magic' | 'flag'): void
}

/** The machine that the suites run on. They ask it for what they need and never what it is. */
export interface Host {
  readonly name: 'fake' | 'real'
  readonly kernel: Kernel
  /** PCI address of an edu device that is bound to vfio-pci, in an IOMMU group of its own. */
  readonly edu: string
  /** Address bits that the edu device's DMA engine drives. */
  readonly eduAddressBits: number
  /**
   * PCI address of another edu device, whose DMA engine drives all address bits: on the machine `dma-buf` bound to vfio-pci in
   * a group of its own, on the others to nothing.
   */
  readonly wideEdu: string
  readonly uio: UioHost
  /** PCI address of an NVMe controller that is bound to vfio-pci: a 64-bit BAR, MSI-X, a reset. */
  readonly nvme: string
  /** PCI address of an AHCI controller that is bound to nothing: at port 0 a disk of 1 MiB, at the others none. */
  readonly ahci: string
  /** Two devices in one IOMMU group, and a driver that the second can be bound to, which is not vfio-pci. */
  readonly shared: { readonly first: string; readonly second: string; readonly otherDriver: string }
  /** Permission bits of a file, such as 0o600. */
  modeOf(path: string): number
  /** Unbinds a device from its driver, as another process does it: resolves when that is done, which may take a close. */
  unbind(address: string): Promise<void>
  /**
   * Runs a scenario as a user without privileges, with a memory-lock limit, who owns the edu device's group node or not.
   */
  asUser(
    scenario: ScenarioName,
    options: { ownsGroup: boolean; memlockBytes: number },
  ): Promise<ScenarioOutcome>
  /** Imports a dma-buf into a device that is none of the packages'. Where the host has one: on the machine `dma-buf`. */
  importDmaBuf(fd: number): DmaBufImporter
  /** Runs a JavaScript module in a process of its own, where the host has processes. */
  readonly runProcess?: (source: string, options?: ProcessOptions) => Promise<ProcessOutcome>
  /** Runs a program of the lab's, where there is one: `lab/programs`, on the machine `dma-buf`. */
  readonly runProgram?: (
    name: string,
    words: readonly string[],
    options?: ProcessOptions,
  ) => Promise<ProcessOutcome>
}

export interface ProcessOptions {
  /** Descriptors that the process inherits, as its own from 3 on. */
  readonly descriptors?: readonly number[]
}

/** How a process ended, and all that it wrote. */
export interface ProcessOutcome {
  readonly status: number | null
  readonly signal: string | null
  readonly output: string
}
