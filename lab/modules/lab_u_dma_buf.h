/* SPDX-License-Identifier: GPL-2.0 */
/* One buffer of lab_u_dma_buf, and what its files share. */
#ifndef LAB_U_DMA_BUF_H
#define LAB_U_DMA_BUF_H
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/mutex.h>

/* The version of the driver whose interface this is, and that of its requests. */
#define INTERFACE_VERSION "5.5.0"
#define REQUESTS_VERSION 2
/* How it maps where nobody says otherwise. */
#define QUIRK_MMAP_AUTO 3
/* The bit of sync_mode that has every mapping go past the caches. */
#define SYNC_ALWAYS 4

struct lab_buffer {
	struct device dev;
	struct cdev cdev;
	/* Whom it was allocated for. */
	struct device *owner;
	/* Of all that follows but what never changes: size, memory, address. */
	struct mutex lock;
	size_t size;
	void *memory;
	dma_addr_t address;
	unsigned int sync_mode;
	u64 sync_offset;
	u64 sync_size;
	unsigned int sync_direction;
	bool sync_owner;
	/* What was not carried out, since its range was refused. */
	u64 sync_for_cpu;
	u64 sync_for_device;
	unsigned int debug_vma;
	unsigned int debug_export;
};

extern const struct attribute_group *lab_buffer_groups[];

/* With the lock held. */
int lab_buffer_sync(struct lab_buffer *buffer, u64 word, bool for_device);
int lab_buffer_mmap(struct lab_buffer *buffer, struct vm_area_struct *vma, u64 offset, size_t bytes, bool synchronous);
long lab_buffer_ioctl(struct file *file, unsigned int request, unsigned long argument);
/* The descriptor of a dma-buf of a part, or an error. */
int lab_buffer_export(struct lab_buffer *buffer, u64 offset, u64 bytes, u32 flags);
#endif
