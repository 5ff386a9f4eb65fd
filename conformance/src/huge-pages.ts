import type { Host } from './host'

const hugePageSize = 0x20_0000
const pool = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages'

/** Reserves huge pages of 2 MiB for one test, beside those that the machine has, and gives them back. */
export async function withHugePages(
  { kernel }: Host,
  count: number,
  test: (hugePageSize: number) => void | Promise<void>,
): Promise<void> {
  const reserved = kernel.readText(pool).trim()
  kernel.writeText(pool, String(Number(reserved) + count))
  try {
    await test(hugePageSize)
  } finally {
    kernel.writeText(pool, reserved)
  }
}
