import type { Measured } from './row'

/** The most that a row may show. */
export interface Limit {
  /** Of ours to C. */
  ratio?: number
  /** Of ours, in the row's unit. */
  ours?: number
}

/** One limit for all engines, or one for each major version of Node.js. */
type Goal = Limit | { 20: Limit; 22: Limit; 24: Limit }

/**
 * What must hold. Rows that are not here are reported only. V8 of Node 22 and 24 runs the arithmetic of a mapping 1.4 to
 * 1.8 times slower, beside C, than that of Node 20.
 */
const goals: Record<string, Goal> = {
  'native call with arguments': { ratio: 1.15 },
  'register read, bound': { ratio: 1.15 },
  'register write, bound': { ratio: 1.15 },
  'register read, checked': { ours: 3 },
  'register write, checked': { ours: 3 },
  'register chain, L3 cache': { ratio: 1.05 },
  'register chain, memory': { ratio: 1.05 },
  'address in a region, untracked': { 20: { ratio: 1.2 }, 22: { ratio: 1.8 }, 24: { ratio: 1.8 } },
  'transfer, tracked': { 20: { ratio: 1.7 }, 22: { ratio: 2.5 }, 24: { ratio: 2.5 } },
  'transfer, a million live': { ratio: 2, ours: 25 },
  'native calls per transfer': { ours: 0 },
  'bytes allocated per transfer': { ours: 0.01 },
  'bytes per live mapping': { ours: 40 },
  'transfer, checked': { ours: 2000 },
  'bytes per live mapping, checked': { ours: 300 },
  'fake machine: map, sync, unmap in a region': { ours: 2000 },
  'fake machine: map, sync, unmap as objects': { ours: 2000 },
  'fake machine: a million live mappings': { ours: 300 },
  'longest GC pause, a million live': { ours: 3 },
  'buffer, handle only': { ratio: 1.1 },
  'buffer with a view': { ratio: 1.6 },
  'remap in a region beside a copy of 64 B': { ratio: 1 },
  'copybreak, off by at most': { ours: 25 },
  'interrupt to handler, median': { ratio: 2.2 },
  'signals lost in a storm': { ours: 0 },
  'UIO interrupt to handler, median': { ratio: 2.2 },
  'UIO signals miscounted in a storm': { ours: 0 },
  'ring forwarder, per packet': { ratio: 3 },
  // Three times as fast, or more.
  'ring forwarder, beside objects and bigints': { ratio: 1 / 3 },
  'table of 1 GiB of pages, 95% contiguous': { ratio: 1.2, ours: 0.7 },
  'table of 1 GiB of pages, 95% contiguous, beside the fastest C': { ratio: 2 },
  'pages to frames to table, 1 GiB': { ratio: 1.3 },
  'bytes per segment': { ours: 12.05 },
  'bytes allocated per segment walked': { ours: 0.01 },
  'table mapped in a region, per segment': { ours: 10 },
  // Each was quadratic once.
  'segment of a bounced table, walked': { ours: 1000 },
  'chunk of a table, 1024 in flight': { ours: 5000 },
  'pool get and put': { ours: 6 },
  'sync where nothing is to be done': { ours: 2 },
  'bounce of 64 KiB, sync': { ratio: 1.05 },
  'bounce of 256 KiB, sync': { ratio: 1.05 },
  'bounce of 64 KiB, map and unmap': { ratio: 1.05 },
  'bounce of 256 KiB, map and unmap': { ratio: 1.05 },
  'cold start to the first mapping': { ours: 15 },
  'transfer after 100,000': { ours: 100 },
  'descriptors leaked': { ours: 0 },
  'maps leaked': { ours: 0 },
  'locked KiB leaked': { ours: 0 },
  'udmabuf of 4 KiB': { ratio: 1.15 },
  'udmabuf of 4 KiB, beside the fewest calls': { ratio: 1.15 },
  'udmabuf of 4 KiB, device opened for it': { ratio: 1.15 },
  'udmabuf of 4 KiB, device opened for it, beside the fewest calls': { ratio: 1.15 },
  'udmabuf of 1 MiB': { ratio: 1.15 },
  'udmabuf of 1 MiB, beside the fewest calls': { ratio: 1.15 },
  'udmabuf of 1 MiB, device opened for it': { ratio: 1.15 },
  'udmabuf of 1 MiB, device opened for it, beside the fewest calls': { ratio: 1.15 },
  'udmabuf of 64 MiB': { ratio: 1.15 },
  'udmabuf of 64 MiB, beside the fewest calls': { ratio: 1.15 },
  'udmabuf of 64 MiB, device opened for it': { ratio: 1.15 },
  'udmabuf of 64 MiB, device opened for it, beside the fewest calls': { ratio: 1.15 },
  'CPU access, cpuAccess()': { ratio: 1.3 },
  'CPU access, begin and end': { ratio: 1.3 },
  'udmabufs: descriptors left': { ours: 0 },
  'udmabufs: maps left': { ours: 0 },
  // The kernel's own count is off by some pages for each processor.
  'udmabufs: memory left of 625 MiB': { ours: 2 },
  'map and unmap through VFIO': { ratio: 1.15 },
  'UIO interrupt raised, delivered, acknowledged, re-armed': { ratio: 2.2 },
}

/** The limit of a row on this engine; undefined where there is none. A major that is not listed counts as the newest. */
export function limitOf(name: string, nodeMajor: number): Limit | undefined {
  const goal = goals[name]
  if (goal === undefined || !(20 in goal)) return goal as Limit | undefined
  if (nodeMajor < 22) return goal[20]
  return nodeMajor < 24 ? goal[22] : goal[24]
}

/** Whether a row is within its limit. */
export function isWithin(measured: Measured, limit: Limit): boolean {
  const ratioHolds = limit.ratio === undefined || (measured.ratio !== null && measured.ratio <= limit.ratio)
  return ratioHolds && (limit.ours === undefined || measured.ours <= limit.ours)
}
