import { assertByteLength, DmaError } from '@linux-dma/core'
import type { DmaBuf } from './dma-buf'

/**
 * How much memory the buffers of one purpose may hold together: the kernel bounds each udmabuf, and not their sum. What a
 * guest or a client asks for should be made with one.
 * @example
 * ```ts
 * const budget = new DmaBufBudget(256 * 1024 * 1024)
 * using frame = createUdmabuf({ size: 8_294_400, budget })
 * ```
 */
export class DmaBufBudget {
  /** Bytes. */
  readonly limit: number
  #used = 0

  /** @param limit bytes, 1 or more */
  constructor(limit: number) {
    assertByteLength('limit', limit)
    this.limit = limit
  }

  /**
   * Bytes in buffers that were made with it and are not closed, nor all duplicates of them. Others who were given such a buffer may hold
   * it for longer.
   */
  get used(): number {
    return this.#used
  }

  /** @throws DMA_BUDGET @internal */
  take(size: number): void {
    if (size > this.limit - this.#used) {
      throw new DmaError(
        'DMA_BUDGET',
        `${size} bytes more than the ${this.#used} in use go beyond the budget of ${this.limit}`,
        { hint: 'close buffers that are done with, or make the budget larger' },
      )
    }
    this.#used += size
  }

  /** @internal */
  giveBack(size: number): void {
    this.#used -= size
  }
}

/** What a buffer and its duplicates count against a budget for, together: until the last of them is closed. */
export class BudgetShare {
  readonly #budget: DmaBufBudget
  readonly #size: number
  #holders = 1

  /** @throws DMA_BUDGET */
  constructor(budget: DmaBufBudget, size: number) {
    budget.take(size)
    this.#budget = budget
    this.#size = size
  }

  hold(): this {
    this.#holders++
    return this
  }

  release(): void {
    this.#holders--
    if (this.#holders === 0) this.#budget.giveBack(this.#size)
  }
}

/** Makes a buffer that counts against a budget, where there is one. @throws DMA_BUDGET; what `make` throws */
export function counted(
  budget: DmaBufBudget | undefined,
  size: number,
  make: (share: BudgetShare | undefined) => DmaBuf,
): DmaBuf {
  const share = budget && new BudgetShare(budget, size)
  try {
    return make(share)
  } catch (error) {
    share?.release()
    throw error
  }
}

/** @throws DMA_INVALID_ARGUMENT for what is neither undefined nor a budget */
export function assertBudget(of: string, budget: unknown): void {
  if (budget === undefined || budget instanceof DmaBufBudget) return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: budget is no DmaBufBudget`, {
    hint: 'make one for all buffers that count together: new DmaBufBudget(bytes)',
  })
}
