/** Virtual time of one register access: about what a read across PCI Express costs. */
export const accessMilliseconds = 0.001
