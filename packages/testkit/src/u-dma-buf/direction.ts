/** Values of the kernel's `enum dma_data_direction`. */
export enum DmaDirection {
  Bidirectional = 0,
  ToDevice = 1,
  FromDevice = 2,
}
