// SPDX-License-Identifier: GPL-2.0
/* dma-bufs of parts of a buffer of lab_u_dma_buf. Each holds the buffer. */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fcntl.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/version.h>
#include "lab_u_dma_buf.h"

struct part {
	struct lab_buffer *buffer;
	u64 offset;
	size_t bytes;
	bool synchronous;
};

static struct sg_table *part_map(struct dma_buf_attachment *attachment, enum dma_data_direction direction)
{
	struct part *part = attachment->dmabuf->priv;
	struct lab_buffer *buffer = part->buffer;
	struct sg_table *table = kzalloc(sizeof(*table), GFP_KERNEL);
	int ret;

	if (!table)
		return ERR_PTR(-ENOMEM);
	ret = dma_get_sgtable(buffer->owner, table, buffer->memory + part->offset, buffer->address + part->offset, part->bytes);
	if (ret)
		goto no_table;
	ret = dma_map_sgtable(attachment->dev, table, direction, 0);
	if (!ret)
		return table;
	sg_free_table(table);
no_table:
	kfree(table);
	return ERR_PTR(ret);
}

static void part_unmap(struct dma_buf_attachment *attachment, struct sg_table *table, enum dma_data_direction direction)
{
	dma_unmap_sgtable(attachment->dev, table, direction, 0);
	sg_free_table(table);
	kfree(table);
}

static void part_release(struct dma_buf *dma_buf)
{
	struct part *part = dma_buf->priv;

	put_device(&part->buffer->dev);
	kfree(part);
}

static int part_mmap(struct dma_buf *dma_buf, struct vm_area_struct *vma)
{
	struct part *part = dma_buf->priv;

	return lab_buffer_mmap(part->buffer, vma, part->offset, part->bytes, part->synchronous);
}

static int part_begin(struct dma_buf *dma_buf, enum dma_data_direction direction)
{
	struct part *part = dma_buf->priv;
	struct lab_buffer *buffer = part->buffer;

	dma_sync_single_for_cpu(buffer->owner, buffer->address + part->offset, part->bytes, direction);
	return 0;
}

static int part_end(struct dma_buf *dma_buf, enum dma_data_direction direction)
{
	struct part *part = dma_buf->priv;
	struct lab_buffer *buffer = part->buffer;

	dma_sync_single_for_device(buffer->owner, buffer->address + part->offset, part->bytes, direction);
	return 0;
}

static const struct dma_buf_ops part_ops = {
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
	.cache_sgt_mapping = true,
#endif
	.map_dma_buf = part_map,
	.unmap_dma_buf = part_unmap,
	.release = part_release,
	.mmap = part_mmap,
	.begin_cpu_access = part_begin,
	.end_cpu_access = part_end,
};

int lab_buffer_export(struct lab_buffer *buffer, u64 offset, u64 bytes, u32 flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dma_buf;
	struct part *part;
	int fd;

	if (!PAGE_ALIGNED(offset) || !PAGE_ALIGNED(bytes))
		return -EINVAL;
	if (offset > buffer->size || bytes > buffer->size - offset)
		return -EINVAL;
	if (flags & ~(O_CLOEXEC | O_SYNC | O_ACCMODE))
		return -EINVAL;
	part = kzalloc(sizeof(*part), GFP_KERNEL);
	if (!part)
		return -ENOMEM;
	*part = (struct part){ .buffer = buffer, .offset = offset, .bytes = bytes, .synchronous = flags & O_SYNC };
	info.ops = &part_ops;
	info.size = bytes;
	info.flags = flags & ~O_SYNC;
	info.priv = part;
	info.exp_name = dev_name(&buffer->dev);
	dma_buf = dma_buf_export(&info);
	if (IS_ERR(dma_buf)) {
		kfree(part);
		return PTR_ERR(dma_buf);
	}
	get_device(&buffer->dev);
	fd = dma_buf_fd(dma_buf, flags & ~O_SYNC);
	if (fd < 0)
		dma_buf_put(dma_buf);
	return fd;
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS(DMA_BUF);
#else
MODULE_IMPORT_NS("DMA_BUF");
#endif
