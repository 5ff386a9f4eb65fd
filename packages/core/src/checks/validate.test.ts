import type { DmaError } from '@linux-dma/native'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { dmaMapSingle } from '../mapping/streaming'
import { DmaDirection } from '../vocabulary/direction'
import { assertByteLength, assertDevice, assertOptions, assertRange } from './validate'

function refused(call: () => void): DmaError {
  try {
    call()
  } catch (error) {
    return error as DmaError
  }
  throw new Error('it was taken')
}

describe('assertDevice', () => {
  it('shows what came in the place of the device, and where the device goes', () => {
    const swapped = dmaMapSingle as unknown as (...args: unknown[]) => void
    const error = refused(() => swapped(new Uint8Array(4), {}, DmaDirection.ToDevice))
    expect(error.message).toContain('dmaMapSingle: a Uint8Array is no device')
    expect(error.hint).toBe(
      'the device comes first: dmaMapSingle(device, …), as openVfioDevice() or openUio() returned it',
    )
    expect(refused(() => assertDevice('x', '0000:00:04.0')).message).toContain("'0000:00:04.0' is no device")
    expect(refused(() => assertDevice('x', Object.create(null))).message).toContain('an Object is no device')
  })
})

describe('assertOptions', () => {
  it('recognises a kernel in the place of options', () => {
    const { kernel } = createFakeMachine()
    expect(refused(() => assertOptions('openUio', kernel, ['kernel', 'other']))).toMatchObject({
      code: 'DMA_INVALID_ARGUMENT',
      message: expect.stringContaining('openUio: options is a kernel, and not an object with one'),
      hint: 'put it into braces: { kernel }',
    })
    expect(refused(() => assertOptions('wait', kernel, ['signal'])).message).toMatch(/no option is called/)
  })

  it('names an option that there is not, and what is no object', () => {
    expect(refused(() => assertOptions('openUio', { kernal: 1 }, ['kernel']))).toMatchObject({
      message: expect.stringContaining("no option is called 'kernal'"),
      hint: 'the options are kernel',
    })
    expect(refused(() => assertOptions('openUio', 'kernel' as never, ['kernel'])).message).toContain(
      "options is 'kernel', not an object",
    )
  })
})

describe('lengths', () => {
  it('are numbers, and what is text is shown as such', () => {
    expect(refused(() => assertByteLength('byteLength', '4096' as never)).message).toContain(
      "byteLength is '4096', not a positive whole number of bytes",
    )
    expect(refused(() => assertByteLength('byteLength', 4096n as never)).message).toContain('is 4096n, not')
    expect(refused(() => assertRange('memory', '0' as never, 4, 8)).message).toContain("offset '0', length 4")
  })
})
