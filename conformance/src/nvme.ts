/** Offsets in an NVMe controller's BAR 0. */
export const CAPABILITIES = 0x00
export const VERSION = 0x08
export const ADMIN_QUEUE_ATTRIBUTES = 0x24
