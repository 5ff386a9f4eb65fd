/**
 * Device registers, reachable by accesses of an exact width and in no other way: there is no buffer to make a
 * `DataView` of, since its byte-wise loads make many devices answer nonsense.
 *
 * A window is the mechanism under core's `IoRegion`. Offsets are bytes from the window's start, **not checked**
 * here: `IoRegion` checks range and alignment once, for every kind of window.
 */
export interface RegisterWindow {
  readonly byteLength: number
  /**
   * Process (virtual) address of the first register, to map them for another device. Absent where nothing is mapped:
   * registers that are reached by system calls.
   */
  readonly address?: number
  read8(byteOffset: number): number
  read16(byteOffset: number): number
  read32(byteOffset: number): number
  read64(byteOffset: number): bigint
  write8(byteOffset: number, value: number): void
  write16(byteOffset: number, value: number): void
  write32(byteOffset: number, value: number): void
  /** One 64-bit store of a value given as two unsigned 32-bit halves, so that none has to become a bigint. */
  write64(byteOffset: number, low: number, high: number): void
  /** Accessors of one register with the offset bound in: what a driver's hot loop uses. */
  bind(byteOffset: number, width: 8 | 16 | 32): BoundRegister
  /**
   * The same registers without ordering against other memory accesses, as the kernel's `readl_relaxed`. The window
   * itself where the machine orders all of them anyway (x86).
   */
  readonly relaxed: RegisterWindow
  /** Unmaps the registers. A bound accessor throws `DMA_CLOSED` from then on. Idempotent. */
  close(): void
}

/**
 * One register. Once its window is closed both methods throw `DMA_CLOSED`; a function that was taken out of the object
 * before then reaches no device: it reads zeros, or what was written by such functions since.
 */
export interface BoundRegister {
  read(): number
  write(value: number): void
}
