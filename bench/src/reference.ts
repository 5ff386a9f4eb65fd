import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** The C side of the rows: see `native/`. Addresses are process addresses, as numbers. */
export interface Reference {
  // registers.c
  mapShared(fd: number, byteLength: number, position: number): number
  unmapShared(address: number, byteLength: number): void
  readRegister(address: number, count: number): number
  writeRegister(address: number, count: number): void
  readWindow(address: number, byteLength: number, count: number): number
  writeWindow(address: number, byteLength: number, count: number): void
  followChain(address: number, byteOffset: number, count: number): number
  linkChain(address: number, byteLength: number, stride: number): void
  // mapping-loops.c
  createRegion(dmaAddress: number, byteLength: number, capacity: number): number
  addressAt(region: number, offsets: Int32Array, byteLength: number, count: number): number
  mapUnmap(region: number, offsets: Int32Array, byteLength: number, count: number): number
  transfer(region: number, offsets: Int32Array, byteLength: number, count: number): number
  fill(region: number, handles: Int32Array, byteLength: number): number
  churn(
    region: number,
    handles: Int32Array,
    order: Int32Array,
    byteLength: number,
    start: number,
    count: number,
  ): number
  // crossing.c
  holder(): object
  store64(holder: object, byteOffset: number, low: number, high: number): void
  // buffers.c
  plainBuffers(byteLength: number, count: number): void
  carefulBuffers(byteLength: number, park: number, count: number): void
  // dma-buf.c
  /** @param device -1: opened each time @param manner 0: as few calls as can be; 1: with the library's; 2: and parked */
  udmabufCycles(device: number, byteLength: number, manner: 0 | 1 | 2, count: number): void
  heapCycles(byteLength: number, count: number): void
  cpuAccesses(fd: number, count: number): void
  /** @param look 1: what was received is looked at in /proc */
  sendAndReceive(sender: number, receiver: number, fd: number, look: 0 | 1, count: number): void
  // interrupts.c
  startSignals(
    fd: number,
    count: number,
    intervalNanoseconds: number,
    timed: number,
    consumeInC: number,
  ): void
  arrive(signals: number): void
  signalState(): number
  collectSignals(latencies: Float64Array): void
  // ring.c
  forwardPackets(
    rx: Uint32Array,
    tx: Uint32Array,
    packets: Uint8Array,
    dmaAddress: number,
    count: number,
  ): number
  // scatterlist.c
  buildTable(frames: Uint32Array, mostPages: number, byRun: number): number
  translateAndBuild(address: number, entries: BigUint64Array, mostPages: number): number
  copyBothWays(buffer: Uint8Array, pool: Uint8Array, byteLength: number, count: number): void
  // uio.c
  uioRounds(
    fd: number,
    configFd: number,
    raiseAddress: number,
    acknowledgeAddress: number,
    count: number,
  ): void
  // vfio.c
  vfioMapUnmap(containerFd: number, address: number, byteLength: number, iova: number, count: number): void
  interruptRounds(eventfd: number, raiseAddress: number, acknowledgeAddress: number, count: number): void
}

/** Loads the compiled C side. @throws Error with the command that compiles it */
export function loadReference(): Reference {
  // One folder up from src/ as from dist/.
  const file = fileURLToPath(new URL('../build/Release/bench.node', import.meta.url))
  if (!existsSync(file))
    throw new Error(`${file} is not there: 'npm run bench' and 'npm run lab -- --run bench/lab.mjs' build it`)
  return createRequire(import.meta.url)(file) as Reference
}
