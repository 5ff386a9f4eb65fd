/** Offsets in an NVMe controller's BAR 0. */
export const CAPABILITIES = 0x00
export const VERSION = 0x08
export const CONFIGURATION = 0x14
export const STATUS = 0x1c
export const ADMIN_QUEUE_ATTRIBUTES = 0x24
export const ADMIN_SUBMISSION_QUEUE = 0x28
export const ADMIN_COMPLETION_QUEUE = 0x30
export const ADMIN_SUBMISSION_DOORBELL = 0x1000

/** Configuration: enabled, submissions of 64 bytes and completions of 16. */
export const ENABLED = 0x0046_0001
/** Status: commands are taken. */
export const READY = 1

export const SUBMISSION_BYTES = 64
export const COMPLETION_BYTES = 16

/** A command that takes no memory of its own: it asks for one feature of the controller. */
export const GET_FEATURES = 0x0a
export const NUMBER_OF_QUEUES = 0x07
