// A fresh process: imports every package and maps a first buffer. Prints the milliseconds that this took.
const start = performance.now()
const { createDmaRegion, DmaDevice, DmaDirection, dmaAddress } = await import('@linux-dma/core')
const { linuxKernel } = await import('@linux-dma/native')
await Promise.all([
  import('@linux-dma/pci'),
  import('@linux-dma/sg'),
  import('@linux-dma/vfio'),
  import('@linux-dma/uio'),
  import('@linux-dma/udmabuf'),
  import('@linux-dma/testkit'),
])
const device = new DmaDevice('bench', linuxKernel(), {
  name: 'bench',
  coherent: true,
  pins: true,
  mapPages: () => dmaAddress(0x1000_0000),
  unmapPages: () => {},
  supportsMask: () => true,
  requiredMask: () => 0xffff_ffffn,
  maxMappingSize: () => 1 << 30,
  optMappingSize: () => 1 << 30,
})
const region = createDmaRegion(device, { byteLength: 1 << 16 })
region.addressOf(region.mapSingle(0, 4096, DmaDirection.ToDevice))
process.stdout.write(`${performance.now() - start}\n`)

export {}
