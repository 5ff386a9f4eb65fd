import type { FailNthCall, FailNthFailure } from '@linux-dma/testkit'

/** A frame of the packages, which is not one of their tests. */
const ownFrame = /[\\/]packages[\\/](?:core|pci|sg|vfio|uio|udmabuf)[\\/](?:src|dist)[\\/](?!.*\.test\.)/
/** What gives something back is called so: all that is given back with it has to be. */
const releasing = new Set(['close', 'closeAll', 'dispose', 'unmap', 'free', 'release', '[Symbol.dispose]'])

/** The packages' own part of the way to a call: empty where a test made it by itself. */
export function ownPlace({ syscall, stack }: FailNthCall): string {
  const frames = stack.split('\n')
  const own = frames.filter((frame) => ownFrame.test(frame))
  return ownFrame.test(frames[0] ?? '') ? `${syscall} ${own.join(' ')}` : ''
}

/** A number that is a place's own: neither other places, nor lines that were added above, nor where the repository is, change it. */
export function hashOfPlace(place: string): number {
  let hash = 0
  for (const letter of place
    .replace(/[^\s(]*[\\/](?=(?:packages|conformance)[\\/])/g, '')
    .replace(/:\d+/g, '')) {
    hash = (Math.imul(hash, 31) + letter.codePointAt(0)!) >>> 0
  }
  return hash
}

/**
 * What of a failure the packages are to blame for. A test has no `finally`: where one of its calls fails, it leaves what its earlier
 * calls gave it, and the machine otherwise than it found it. The packages are to blame for all that is left
 *
 * - where the failing call was about to give something back,
 * - of what the same call of the test into the packages had opened,
 * - where nothing is left that another call of the test had opened: nothing else can hold it.
 */
export function ownFaults({ wrong, at, stack }: FailNthFailure): string[] {
  const ofTest = (line: string) => isLeft(line) && openedElsewhere(line, at)
  const all = stack.split('\n').some(isReleasing) || !wrong.some(ofTest)
  return wrong
    .filter((line) => !line.startsWith('fails on the same machine afterwards'))
    .filter((line) => !isLeft(line) || all || line.includes(at))
}

/** Whether a frame is of a function that gives something back, whatever the file is called that it is in. */
function isReleasing(frame: string): boolean {
  const named = /^at (?:async )?(?:new )?(.+?) \(/.exec(frame)?.[1] ?? ''
  const names = /^(.*?)(?: \[as (.*)\])?$/.exec(named) ?? []
  return names
    .slice(1)
    .some((name = '') => releasing.has(/(?:^|[.#])(\[[^\]]*\]|[^.#]*)$/.exec(name)?.[1] ?? ''))
}

function isLeft(line: string): boolean {
  return line.startsWith('left: ')
}

function openedElsewhere(line: string, at: string): boolean {
  return / at \S/.test(line) && !line.includes(at)
}
