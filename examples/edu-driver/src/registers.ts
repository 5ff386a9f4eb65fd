/** The edu device's registers: offsets into BAR 0, in bytes. QEMU describes them in docs/specs/edu.rst. */

/** Read-only: 0xRRrr00ed, a major and a minor revision. */
export const IDENTIFICATION = 0x00
/** Reads back what was written with every bit inverted. */
export const LIVENESS = 0x04
/** Write n, read n! when the device has stopped computing. */
export const FACTORIAL = 0x08
export const STATUS = 0x20
export const INTERRUPT_STATUS = 0x24
export const INTERRUPT_ACKNOWLEDGE = 0x64
export const DMA_SOURCE = 0x80
export const DMA_DESTINATION = 0x88
export const DMA_COUNT = 0x90
export const DMA_COMMAND = 0x98

export const STATUS_INTERRUPT_WHEN_DONE = 0x80

export const DMA_START = 0x1
export const DMA_FROM_DEVICE = 0x2
export const DMA_INTERRUPT_WHEN_DONE = 0x4

/** Causes in INTERRUPT_STATUS. */
export const CAUSE_FACTORIAL = 0x001
export const CAUSE_DMA = 0x100

/** Where the device's own buffer lies in its address space, and how long it is. */
export const BUFFER_ADDRESS = 0x4_0000
/** One byte less than the buffer: older QEMU takes a transfer that fills the buffer exactly for an overrun. */
export const LONGEST_TRANSFER = 4095
/** The device has 28 address lines. A higher address is cut to them, and so hits another page. */
export const ADDRESS_BITS = 28
