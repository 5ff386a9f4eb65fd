import { crc32 } from 'node:zlib'
import { createFakeMachine } from '@linux-dma/testkit'
import { type DmaBuf, openUDmaBuf } from '@linux-dma/udmabuf'
import { describe, expect, it } from 'vitest'
import { look } from './consumer'
import { byteLengthOf, formatOf } from './format'
import { drawFrame } from './pattern'
import { checksumOf, takePicture } from './png'
import { draw } from './producer'
import { findTear } from './stamp'
import { type Surface, surfaceOf } from './surface'

const format = formatOf(320, 160)

/** A board whose devices do not look into the CPU's caches: a buffer, and what a display or a decoder has of it. */
async function onBoard(act: (buffer: DmaBuf, device: Surface) => Promise<void>): Promise<void> {
  const machine = createFakeMachine()
  const hardware = machine.addUDmaBuf({ size: byteLengthOf(format), dmaCoherent: false })
  {
    using memory = openUDmaBuf('udmabuf0', { kernel: machine.kernel })
    using buffer = memory.exportDmaBuf()
    await act(buffer, surfaceOf(hardware.bytes, format))
  }
  machine.assertQuiescent()
}

describe('where devices do not look into caches', () => {
  it('a display shows what was drawn within a bracket', () =>
    onBoard(async (buffer, display) => {
      await draw(buffer, format, 3)
      expect(findTear(display, 3)).toBeUndefined()
    }))

  it('a display shows the frame before where the bracket is missing', () =>
    onBoard(async (buffer, display) => {
      await draw(buffer, format, 3)
      using mapping = buffer.map()
      drawFrame(surfaceOf(mapping.bytes, format), 4)
      expect(findTear(display, 4)).toBe('line 0 is of frame 3')
    }))

  it('what a decoder wrote is seen within a bracket, and not without', () =>
    onBoard(async (buffer, decoder) => {
      await draw(buffer, format, 3)
      drawFrame(decoder, 5)
      using mapping = buffer.map()
      expect(findTear(surfaceOf(mapping.bytes, format), 5)).toBe('line 0 is of frame 3')
      const picture = await look(buffer, format, { number: 5, checksum: crc32(decoder.pixels) })
      expect(checksumOf(picture)).toBe(checksumOf(takePicture(decoder)))
    }))
})
