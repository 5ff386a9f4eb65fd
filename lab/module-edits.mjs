import { LabError } from './lab-error.mjs'

/**
 * @typedef {object} Edit one change to a source of the kernel's
 * @property {string} anchor text that is in it exactly once
 * @property {string} text what stands there afterwards
 */

/**
 * uio_dmem_genirq as it was until Linux 6.8: user space sees the DMA addresses of its regions. The kernel's pointers to
 * them, which later versions show instead, are kept in `internal_addr`, which the driver has no other use for.
 * @type {readonly Edit[]}
 */
export const oldDmemEdits = [
  {
    anchor: '&uiomem->dma_addr, GFP_KERNEL);',
    text: '&uiomem->dma_addr, GFP_KERNEL);\n\t\tuiomem->internal_addr = (void __iomem __force *)addr;',
  },
  { anchor: 'addr ? (uintptr_t) addr : DMEM_MAP_ERROR', text: 'addr ? uiomem->dma_addr : DMEM_MAP_ERROR' },
  { anchor: 'if (uiomem->addr) {', text: 'if (uiomem->internal_addr) {' },
  { anchor: '(void *) (uintptr_t) uiomem->addr,', text: '(void __force *)uiomem->internal_addr,' },
  { anchor: 'uiomem->memtype = UIO_MEM_DMA_COHERENT;', text: 'uiomem->memtype = UIO_MEM_PHYS;' },
]

/**
 * The UIO core with DMA memory: it asks lab/modules/dma-memory at three places.
 * @type {readonly Edit[]}
 */
export const dmaMemoryEdits = [
  // Behind every other include, and with nothing in it: the checksums of what the core exports must not change.
  {
    anchor: '#include <linux/dma-mapping.h>\n',
    text: '#include <linux/dma-mapping.h>\n#include "uio_dma_memory.h"\n',
  },
  {
    anchor: '\tret = uio_dev_add_attributes(idev);\n',
    text: `\tret = uio_dma_memory_offer(idev);
\tif (!ret) {
\t\tret = uio_dev_add_attributes(idev);
\t\tif (ret)
\t\t\tuio_dma_memory_withdraw(idev);
\t}
`,
  },
  {
    anchor: '\tkobject_put(idev->portio_dir);\n}\n',
    text: '\tkobject_put(idev->portio_dir);\n\tuio_dma_memory_withdraw(idev);\n}\n',
  },
  {
    anchor: '\tmi = uio_find_mem_index(vma);\n\tif (mi < 0) {\n',
    text: `\tif (uio_dma_memory_claims(vma)) {
\t\tret = uio_dma_memory_mmap(idev, vma);
\t\tgoto out;
\t}

\tmi = uio_find_mem_index(vma);
\tif (mi < 0) {
`,
  },
]

/**
 * Applies edits to a source.
 * @param {string} source
 * @param {readonly Edit[]} edits
 * @param {string} name of the source, for the message
 * @returns {string}
 * @throws {LabError} if an anchor is not found exactly once: the source is of a version that the edit does not know
 */
export function applyEdits(source, edits, name) {
  return edits.reduce((text, edit) => {
    const parts = text.split(edit.anchor)
    if (parts.length === 2) return parts.join(edit.text)
    throw new LabError(
      `${name}: ${JSON.stringify(edit.anchor)} is in it ${parts.length - 1} times, expected once`,
      {
        hint: 'adapt lab/module-edits.mjs to this version of Linux',
      },
    )
  }, source)
}
