import type { FakeMachineCore } from './machine-core'

/** One line for each thing that a program on the machine has not given back. */
export function leakReport(machine: FakeMachineCore): string[] {
  const lines = machine.descriptors.describe()
  for (const mapping of machine.open) lines.push(mapping.describe())
  // A container whose descriptor is closed lives on in its groups.
  const containers = new Set([...machine.vfio.groups].map(({ container }) => container))
  for (const container of containers) {
    const bytes = container?.iommu?.pinnedBytes ?? 0
    if (bytes > 0) lines.push(`${bytes} bytes pinned for devices, still mapped in a VFIO container`)
  }
  for (const group of machine.vfio.groups) {
    for (const { interrupts, pci } of group.devices.values()) {
      if (interrupts.enabled) lines.push(`interrupts of ${pci.address}, still enabled`)
    }
  }
  lines.push(...machine.waiters.describe())
  return lines
}

/** The same as a text. */
export function tellLeaks(leaks: readonly string[], { waiters, clock }: FakeMachineCore): string {
  const forEver = waiters.size > 0 && !clock.awaitsEvents
  // Of the machine as it is now: a leak is the same one later.
  const lines = forEver ? [...leaks, 'nothing is scheduled that could end a poll or wake a watch'] : leaks
  return [`${leaks.length} left open:`, ...lines.map((line) => `  ${line}`)].join('\n')
}
