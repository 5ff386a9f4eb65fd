import type { FailNthCall, FailNthFailure } from '@linux-dma/testkit'

/** A frame of the packages, which is not one of their tests. */
const ownFrame = /[\\/]packages[\\/](?:core|pci|sg|vfio|uio|udmabuf)[\\/](?:src|dist)[\\/](?!.*\.test\.)/
/** Giving something back: all that is given back with it has to be. */
const release = /\b(?:close|closeAll|dispose|unmap|free|release)\b|Symbol\.dispose/

/** The packages' own part of the way to a call: empty where a test made it by itself. */
export function ownPlace({ syscall, stack }: FailNthCall): string {
  const frames = stack.split('\n')
  const own = frames.filter((frame) => ownFrame.test(frame))
  return ownFrame.test(frames[0] ?? '') ? `${syscall} ${own.join(' ')}` : ''
}

/**
 * What of a failure the packages are to blame for. A test that fails may leave what it had, and the machine otherwise than it found
 * it: what counts is what a call into the packages opened and left when it failed, and what is left where they were giving back.
 */
export function ownFaults({ wrong, at, stack }: FailNthFailure): string[] {
  const releasing = release.test(stack)
  return wrong
    .filter((line) => !line.startsWith('fails on the same machine afterwards'))
    .filter((line) => !line.startsWith('left: ') || releasing || line.includes(at))
}
