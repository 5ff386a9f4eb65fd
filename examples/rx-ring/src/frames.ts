const HEADER = 14
/** An EtherType that is free for experiments. */
const ETHER_TYPE = [0x88, 0xb5] as const

/** A frame to ourselves: header, then bytes that tell of its number and of their place. */
export function makeFrame(address: readonly number[], byteLength: number, number: number): Uint8Array {
  const frame = new Uint8Array(byteLength)
  frame.set([...address, ...address, ...ETHER_TYPE])
  for (let i = HEADER; i < byteLength; i++) frame[i] = payload(i, number)
  return frame
}

/** What is wrong with a frame that came; undefined if it is the one that was sent. */
export function checkFrame(
  frame: Uint8Array,
  address: readonly number[],
  byteLength: number,
  number: number,
): string | undefined {
  if (frame.length !== byteLength) return `${frame.length} bytes came, and ${byteLength} were sent`
  const sent = makeFrame(address, byteLength, number)
  const different = sent.findIndex((byte, i) => frame[i] !== byte)
  if (different < 0) return undefined
  return `byte ${different} came as ${frame[different]}, and ${sent[different]} was sent`
}

function payload(place: number, number: number): number {
  return (place * 31 + number * 17 + (place >> 8)) & 0xff
}
