import { checkInteger } from '../arguments'
import { invalidArgument } from '../errors'
import type { BarLayout } from '../models/device-model'

/** Refuses BARs that no hardware has. @param owner whose they are, for the message @throws `DMA_INVALID_ARGUMENT` */
export function checkBars(bars: readonly BarLayout[], owner: string): void {
  const taken = new Set<number>()
  bars.forEach((bar, place) => {
    const { byteLength, index = place, addressWidth = 32, prefetchable = false, kind = 'memory' } = bar
    const name = `${owner}, BAR ${String(index)}`
    const [least, most] = kind === 'io' ? [4, 256] : [16, 2 ** 40]
    checkInteger(byteLength, `${name}: byteLength`, least, most)
    if (!Number.isInteger(Math.log2(byteLength))) {
      const next = 2 ** Math.ceil(Math.log2(byteLength))
      invalidArgument(
        `${name} has ${byteLength} bytes, which is no power of two`,
        `byteLength: 0x${next.toString(16)} is the next one`,
      )
    }
    if (kind === 'io' && (addressWidth === 64 || prefetchable)) {
      invalidArgument(`${name}: I/O ports have 32 bits, and nothing can be fetched ahead`)
    }
    for (const used of addressWidth === 64 ? [index, index + 1] : [index]) {
      checkInteger(used, `${name}: index`, 0, 5)
      if (taken.has(used)) {
        invalidArgument(`${owner}: two BARs use index ${used}`, 'a BAR of 64 bits takes the next index, too')
      }
      taken.add(used)
    }
  })
}
