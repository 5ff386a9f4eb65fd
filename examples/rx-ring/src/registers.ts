/** The registers of Intel's 82540EM ("e1000"): offsets into BAR 0, in bytes, all of 32 bits. Chapter 13 of its manual. */

export const VENDOR_ID = 0x8086
export const DEVICE_ID = 0x100e

export const STATUS = 0x0008
export const EEPROM_READ = 0x0014
export const PHY_ACCESS = 0x0020
/** Reading it clears it, and takes the interrupt back. */
export const INTERRUPT_CAUSE = 0x00c0
export const INTERRUPT_MASK_SET = 0x00d0
export const INTERRUPT_MASK_CLEAR = 0x00d8
export const RECEIVE_CONTROL = 0x0100
export const TRANSMIT_CONTROL = 0x0400
/** The rings: base (two halves), length in bytes, head and tail. The card moves the head, the driver the tail. */
export const RECEIVE_RING = 0x2800
export const TRANSMIT_RING = 0x3800
export const RING_BASE_LOW = 0x00
export const RING_BASE_HIGH = 0x04
export const RING_LENGTH = 0x08
export const RING_HEAD = 0x10
export const RING_TAIL = 0x18
/** Frames that were received, and frames that were sent: counted from the last time that they were read. */
export const PACKETS_RECEIVED = 0x40d0
export const PACKETS_TRANSMITTED = 0x40d4
/** The card's own address, in two halves. */
export const ADDRESS_LOW = 0x5400
export const ADDRESS_HIGH = 0x5404

export const STATUS_FULL_DUPLEX = 0x1
export const STATUS_LINK_UP = 0x2

export const EEPROM_START = 0x01
export const EEPROM_DONE = 0x10
export const EEPROM_WORD_SHIFT = 8
export const EEPROM_DATA_SHIFT = 16
export const EEPROM_WORDS = 64
/** What all of its words add up to, in 16 bits. */
export const EEPROM_SUM = 0xbaba

export const PHY_WRITE = 0x0400_0000
export const PHY_READY = 0x1000_0000
export const PHY_ERROR = 0x4000_0000
/** There is one PHY, with this address. */
export const PHY_ADDRESS = 1 << 21
export const PHY_REGISTER_SHIFT = 16
/** The PHY's control register: what is sent comes back, at 1000 Mb/s and full duplex, with nobody to negotiate with. */
export const PHY_CONTROL = 0
export const PHY_CONTROL_LOOPBACK = 0x4140
export const PHY_CONTROL_NEGOTIATE = 0x1340

export const RECEIVE_ENABLE = 0x0000_0002
export const RECEIVE_BROADCAST = 0x0000_8000
/** Leave the four bytes of the frame's checksum away. */
export const RECEIVE_STRIP_CHECKSUM = 0x0400_0000
/** Let frames of more than 1518 bytes in. */
export const RECEIVE_LONG = 0x0000_0020
/** What RECEIVE_CONTROL says for buffers of each size. */
export const RECEIVE_BUFFER_SIZES: ReadonlyMap<number, number> = new Map([
  [2048, 0],
  [4096, 0x0203_0000],
  [8192, 0x0202_0000],
  [16384, 0x0201_0000],
])

export const TRANSMIT_ENABLE = 0x2
export const TRANSMIT_PAD_SHORT = 0x8

/** Causes of an interrupt. */
export const CAUSE_RECEIVED = 0x80
export const CAUSE_OVERRUN = 0x40

/** Both rings' descriptors: 16 bytes, four words of 32 bits, of which the first two are the buffer's address. */
export const DESCRIPTOR_BYTES = 16
export const DESCRIPTOR_WORDS = 4
/** The third word holds the length in its lower half; in a transmit descriptor the upper half is the command. */
export const LENGTH_WORD = 2
/** The fourth word's lowest byte is the status; in a receive descriptor the byte above it tells of errors. */
export const STATUS_WORD = 3
export const DESCRIPTOR_DONE = 0x01
export const RECEIVED_LAST_PART = 0x02
export const RECEIVE_ERRORS = 0xff00
export const TRANSMIT_LAST_PART = 0x0100_0000
export const TRANSMIT_ADD_CHECKSUM = 0x0200_0000
export const TRANSMIT_REPORT_STATUS = 0x0800_0000

/** Bytes in the longest ordinary one, and in the longest that the card takes at all. */
export const LONGEST_FRAME = 1514
export const LONGEST_LONG_FRAME = 16124
