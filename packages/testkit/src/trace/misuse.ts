import type { MisuseEvent } from './trace-event'

/** What a report of core's checker says, as far as a trace has it. */
export function misuseOf(
  report: Error,
): Pick<MisuseEvent, 'device' | 'class' | 'message' | 'address' | 'byteLength' | 'at'> {
  const fields = report as Error & {
    readonly class?: unknown
    readonly device?: unknown
    readonly address?: unknown
    readonly size?: unknown
    readonly misusedAt?: unknown
  }
  const { device, class: number, address, size, misusedAt } = fields
  return {
    device: typeof device === 'string' ? device : '',
    ...(typeof number === 'number' ? { class: number } : {}),
    message: report.message,
    ...(typeof address === 'number' ? { address: `0x${address.toString(16)}` } : {}),
    ...(typeof size === 'number' ? { byteLength: size } : {}),
    ...(typeof misusedAt === 'string' ? { at: misusedAt } : {}),
  }
}
