import assert from 'node:assert/strict'
import { createRandom } from '@linux-dma/testkit'
import type { Host, Runner } from '../host'
import { call, mapArgument, unmap, withContainer } from '../raw-vfio'
import { withoutLeaks } from '../with-device'

const SEEDS = [1, 2, 3, 4, 5]
const OPERATIONS = 200
/** Small, so that most operations meet what others left. */
const PAGES = 48

interface Mapped {
  start: number
  end: number
}

/** What type1v2 answers, in the fewest words: page numbers, and the errno or the bytes that were unmapped. */
class Model {
  #mapped: Mapped[] = []

  map(start: number, pages: number): number | string {
    const end = start + pages
    if (this.#mapped.some((one) => start < one.end && one.start < end)) return 'EEXIST'
    this.#mapped.push({ start, end })
    return 0
  }

  /** Whole mappings only: a range that would cut the one it begins or ends in is refused. */
  unmap(start: number, pages: number): number | string {
    const end = start + pages
    const holding = (page: number) => this.#mapped.find((one) => one.start <= page && page < one.end)
    const first = holding(start)
    const last = holding(end - 1)
    if ((first && first.start !== start) || (last && last.end !== end)) return 'EINVAL'
    const gone = this.#mapped.filter((one) => one.start >= start && one.end <= end)
    this.#mapped = this.#mapped.filter((one) => !gone.includes(one))
    return this.#pagesOf(gone)
  }

  unmapAll(): number {
    const gone = this.#mapped
    this.#mapped = []
    return this.#pagesOf(gone)
  }

  #pagesOf(mapped: Mapped[]): number {
    return mapped.reduce((total, { start, end }) => total + end - start, 0)
  }
}

/** Random operations, the same on both kernels, each held to one model: where the fake and the real differ, one is red. */
export function vfioRandom({ describe, it }: Runner, host: Host): void {
  const { kernel, edu } = host
  const page = BigInt(kernel.pageSize)

  describe('vfio random operations', () => {
    for (const seed of SEEDS) {
      it(`answers as the model does, seed ${seed}`, () =>
        withoutLeaks(host, () =>
          withContainer(kernel, edu, ({ container }) => {
            const random = createRandom(seed)
            const model = new Model()
            const fd = kernel.memfd('conformance', { byteLength: PAGES * kernel.pageSize })
            const memory = kernel.mmap(fd, { byteLength: PAGES * kernel.pageSize })
            const inPages = (answer: bigint | string) =>
              typeof answer === 'string' ? answer : Number(answer / page)
            for (let step = 0; step < OPERATIONS; step++) {
              const start = 1 + random.integer(PAGES)
              const pages = 1 + random.integer(8)
              const iova = BigInt(start) * page
              const size = BigInt(pages) * page
              const what = `seed ${seed}, step ${step}: pages ${start} to ${start + pages}`
              // One in sixteen is off a page, which changes nothing and is refused.
              const off = random.integer(16) === 0 ? 1n : 0n
              if (random.integer(2) === 0) {
                const argument = mapArgument(memory.address, iova + off, size)
                const expected = off ? 'EINVAL' : model.map(start, pages)
                assert.equal(call(kernel, container, 'IOMMU_MAP_DMA', argument), expected, `map, ${what}`)
              } else {
                const expected = off ? 'EINVAL' : model.unmap(start, pages)
                assert.equal(inPages(unmap(kernel, container, iova + off, size)), expected, `unmap, ${what}`)
              }
            }
            assert.equal(inPages(unmap(kernel, container, 0n, 0n, 2)), model.unmapAll())
            memory.close()
            kernel.close(fd)
          }),
        ))
    }
  })
}
