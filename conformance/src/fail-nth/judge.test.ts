import type { FailNthFailure } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { ownFaults } from './judge'

const ofTest = 'left: descriptor 3 of eventfd, opened at /r/conformance/src/suites/some.ts:7:1'

function failure(frame: string, wrong = [ofTest]): FailNthFailure {
  return {
    ...{ syscall: 'eventfd', nth: 1, path: undefined, code: 'EMFILE', error: undefined, what: '' },
    at: 'at /r/conformance/src/suites/some.ts:9:1',
    stack: `at Slots.take (/r/packages/core/src/slots.ts:1:1)\n${frame}\nat /r/conformance/src/suites/some.ts:9:1`,
    wrong,
  }
}

describe('what the packages are to blame for', () => {
  it.each([
    'at DmaRegion.close (/r/packages/core/src/mapping/region.ts:284:7)',
    'at closeAll (/r/packages/core/src/checks/close-all.ts:9:7)',
    'at async VfioDevice.release (/r/packages/vfio/src/device.ts:9:7)',
    'at DmaRegion.#unmap (/r/packages/core/src/mapping/region.ts:305:23)',
    'at DmaRegion.[Symbol.dispose] (/r/packages/core/src/mapping/region.ts:305:23)',
    'at Object.forget [as dispose] (/r/packages/core/src/checks/leaks.ts:3:2)',
  ])('is all that is left, while something is given back: %s', (frame) => {
    expect(ownFaults(failure(frame))).toEqual([ofTest])
  })

  it.each([
    'at undo (/r/packages/core/src/checks/close-all.ts:9:7)',
    'at Pool.take (/r/packages/core/src/free/release.ts:9:7)',
    'at /r/packages/udmabuf/src/unmap.ts:9:7',
    'at Slots.closed (/home/close/r/packages/core/src/slots.ts:9:7)',
    'at Slots.freeSlot (/r/packages/core/src/slots.ts:9:7)',
  ])('is not what another call of the test had opened, for the name of a file: %s', (frame) => {
    expect(ownFaults(failure(frame))).toEqual([])
  })

  it('is what the failing call itself had opened, and what nobody else can hold', () => {
    const own = 'left: descriptor 4 of eventfd, opened at /r/conformance/src/suites/some.ts:9:1'
    const nobody = 'left: kernel.live().mappings is 1, and was 0'
    const frame = 'at Slots.grow (/r/packages/core/src/slots.ts:9:7)'
    expect(ownFaults(failure(frame, [ofTest, own]))).toEqual([own])
    expect(ownFaults(failure(frame, [nobody]))).toEqual([nobody])
  })
})
