/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the patched UIO core asks of uio_dma_memory.c. It includes nothing: the checksums of what the core exports
 * depend on which types are known, and have to stay those of the kernel's own.
 */
#ifndef UIO_DMA_MEMORY_H
#define UIO_DMA_MEMORY_H

struct uio_device;
struct vm_area_struct;

/* Before the attributes of a device are added; 0 or an errno. */
int uio_dma_memory_offer(struct uio_device *idev);

/* After they are deleted, or could not be added. */
void uio_dma_memory_withdraw(struct uio_device *idev);

/* Whether a mapping's offset means DMA memory. */
bool uio_dma_memory_claims(const struct vm_area_struct *vma);

/* Maps it, under the lock of the device's info; 0 or an errno. */
int uio_dma_memory_mmap(struct uio_device *idev, struct vm_area_struct *vma);

#endif
