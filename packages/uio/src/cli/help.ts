/** What `uio lsuio --help` prints. */
export const help = `Lists UIO devices: their registers and memory, interrupts, and whether they can do DMA. Needs no root.

  npx @linux-dma/uio lsuio                one line for each device
  npx @linux-dma/uio lsuio -v             everything that is known of each
  npx @linux-dma/uio lsuio -v uio0        of these only: uio0, /dev/uio0, 0, a PCI address, or a name
  npx @linux-dma/uio lsuio --json         for programs

Options:
  -v, --verbose   maps, ports, BARs that UIO hides, bus mastering, IOMMU
      --json      one JSON object: { "schema": 1, "devices": [ … ] }; addresses are strings, such as "0xfea00000"
  -h, --help      this text
  -V, --version   the version of @linux-dma/uio

Exit status: 0, also where there is no device; 1: one that was named is not there, or they cannot be listed;
2: a wrong option, or what is no PCI address.
`
