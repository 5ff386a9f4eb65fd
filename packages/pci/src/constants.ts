/** Numbers of linux/pci_regs.h, under their own names. */

export const PCI_COMMAND = 0x04
export const PCI_COMMAND_MEMORY = 0x2
export const PCI_COMMAND_MASTER = 0x4
export const PCI_COMMAND_INTX_DISABLE = 0x400
export const PCI_STATUS = 0x06
export const PCI_STATUS_CAP_LIST = 0x10
export const PCI_CAPABILITY_LIST = 0x34
export const PCI_CAP_ID_PM = 0x01
/** Offset of the control and status register in the power management capability, and its power state. */
export const PCI_PM_CTRL = 4
export const PCI_PM_CTRL_STATE_MASK = 0x3

/** Flags of a line of `resource` in sysfs: linux/ioport.h. */
export const IORESOURCE_IO = 0x100
export const IORESOURCE_MEM = 0x200
export const IORESOURCE_PREFETCH = 0x2000
export const IORESOURCE_MEM_64 = 0x10_0000
/** Without a place, or switched off: the kernel found no room for it. */
export const IORESOURCE_DISABLED = 0x1000_0000
export const IORESOURCE_UNSET = 0x2000_0000
