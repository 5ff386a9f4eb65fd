import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { textFile } from '../fs/nodes'

const poolPath = '/sys/kernel/mm/hugepages/hugepages-2048kB'

/** The pool of 2 MiB pages, as `/sys/kernel/mm/hugepages/hugepages-2048kB` shows it. */
export class HugePages {
  total: number
  /** Pages promised to mappings: a mapping reserves all of its pages, so that a later access cannot fail. */
  reserved = 0

  constructor(total: number) {
    this.total = total
  }

  reserve(pages: number): void {
    if (this.reserved + pages > this.total) {
      fail(
        'ENOMEM',
        `${pages} huge pages are needed and ${this.total - this.reserved} are free`,
        `reserve huge pages, as root: echo ${this.reserved + pages} > ${poolPath}/nr_hugepages; on a fake machine: createFakeMachine({ hugePages: ${this.reserved + pages} })`,
      )
    }
    this.reserved += pages
  }

  free(pages: number): void {
    this.reserved -= pages
  }
}

/** Puts the pool into sysfs, where an administrator changes its size. */
export function mountHugePages(fs: FileSystem, pool: HugePages): void {
  const resize = (text: string) => {
    if (!/^\d+\s*$/.test(text)) fail('EINVAL', 'write a number')
    // Pages that are promised cannot be taken away.
    pool.total = Math.max(Number(text), pool.reserved)
  }
  fs.put(
    `${poolPath}/nr_hugepages`,
    textFile(() => `${pool.total}\n`, resize, 0o644),
  )
  fs.put(
    `${poolPath}/free_hugepages`,
    textFile(() => `${pool.total - pool.reserved}\n`),
  )
}
