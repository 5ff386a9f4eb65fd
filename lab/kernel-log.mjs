/**
 * Turns the records of /dev/kmsg into lines as dmesg prints them.
 * @param {string} text
 * @returns {string[]}
 */
export function parseKernelLog(text) {
  return text.split('\n').flatMap((record) => {
    // "priority,sequence,microseconds,flags;text"; lines that start with a space only repeat which device it was.
    const match = /^\d+,\d+,(\d+),[^;]*;(.*)$/.exec(record)
    if (!match) return []
    const [, microseconds = '0', message = ''] = match
    const seconds = (Number(microseconds) / 1e6).toFixed(6).padStart(12)
    return [`[${seconds}] ${message}`]
  })
}

/**
 * Finds where a device was stopped by the IOMMU.
 * @param {string[]} lines
 * @returns {string[]}
 */
export function findDmaFaults(lines) {
  return lines.filter((line) => /DMAR: \[|IO_PAGE_FAULT|arm-smmu.*fault/.test(line))
}

/**
 * Finds where something did not go on in the kernel itself.
 * @param {string[]} lines
 * @returns {string[]}
 */
export function findStalls(lines) {
  return lines.filter((line) => /soft lockup|detected stall|blocked for more than \d+ seconds/.test(line))
}

/**
 * Finds the signs of a kernel that is no longer to be trusted.
 * @param {string[]} lines
 * @returns {string[]}
 */
export function findCrashes(lines) {
  return lines.filter((line) =>
    /\] (BUG: |Oops: |Oops\b|Kernel panic|general protection fault|kernel BUG at)/.test(line),
  )
}
