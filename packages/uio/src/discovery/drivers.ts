/** Drivers of the kernel that are treated in a way of their own, as sysfs calls them. */

/**
 * Masks the pin interrupt at each one and leaves it to user space to unmask it, in configuration space; and turns bus mastering off
 * itself when its node is closed, which is thus nobody else's.
 */
export const UIO_PCI_GENERIC = 'uio_pci_generic'
/** Has memory that is there while its node is open. */
export const UIO_DMEM_GENIRQ = 'uio_dmem_genirq'
