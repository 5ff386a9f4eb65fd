import { DmaError } from '@linux-dma/core'
import { int32sOf } from './int32s'
import { PAGE_NUMBERS } from './page-space'

/**
 * Page numbers of 32 bits each, as signed integers: the engine computes with those without converting. They show the
 * same memory where a Uint32Array is given; of an array each element is read once.
 * @throws DMA_INVALID_ARGUMENT for an empty list, and for what is no page number
 */
export function pageNumbersOf(pages: Uint32Array | readonly number[]): Int32Array {
  const numbers = pages instanceof Uint32Array ? int32sOf(pages) : checkedCopy(pages)
  if (numbers.length > 0) return numbers
  throw new DmaError('DMA_INVALID_ARGUMENT', 'the list of pages is empty, or its buffer detached', {
    hint: 'a table has one segment or more',
  })
}

function checkedCopy(pages: readonly number[]): Int32Array {
  if (!Array.isArray(pages)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'pages is neither a Uint32Array nor an array of numbers', {
      hint: 'frames of /proc/self/pagemap go through SgTable.fromPagemap(), buffers through SgTable.fromBuffers()',
    })
  }
  const numbers = new Int32Array(pages.length)
  for (let i = 0; i < numbers.length; i++) {
    const page: unknown = pages[i]
    if (!(Number.isInteger(page) && (page as number) >= 0 && (page as number) < PAGE_NUMBERS)) {
      throw new DmaError(
        'DMA_INVALID_ARGUMENT',
        `pages[${i}] is ${String(page)}, not a page number of 32 bits`,
      )
    }
    numbers[i] = page as number
  }
  return numbers
}
