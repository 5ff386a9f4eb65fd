// SPDX-License-Identifier: GPL-2.0
/*
 * A device without hardware that imports dma-bufs, as a display or a GPU does: each open file of /dev/lab_dma_buf attaches
 * one buffer. pread and pwrite are the device's accesses to it, without regard to who else uses it just then; a fence is
 * work of the device that is under way until user space says that it is done. Closing the file undoes everything.
 *
 * There is no way to unload it: a fence is part of the buffer that it was added to, and may outlive every file.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/version.h>

/* Which accesses of the CPU a fence holds back: what the device reads may be read, what it writes may not. */
#define LAB_FENCE_READ 1
#define LAB_FENCE_WRITE 2

struct lab_attach {
	__s32 fd;
	__u32 segments; /* answer: how many pieces the device sees */
	__u64 size;     /* answer: bytes in the buffer */
};

struct lab_segment {
	__u64 index;
	__u64 dma_address; /* answer */
	__u64 length;      /* answer: bytes */
};

struct lab_fence {
	__u32 usage;
	__u32 id; /* answer */
};

struct lab_signal {
	__u32 id;
	__u32 error; /* an errno, 0 for none */
};

#define LAB_ATTACH _IOWR('l', 0, struct lab_attach)
#define LAB_SEGMENT _IOWR('l', 1, struct lab_segment)
#define LAB_ADD_FENCE _IOWR('l', 2, struct lab_fence)
#define LAB_SIGNAL _IOW('l', 3, struct lab_signal)
#define LAB_DETACH _IO('l', 4)

/* Work that is under way. The fence comes first, since the kernel frees the whole by its address. */
struct lab_work {
	struct dma_fence fence;
	spinlock_t lock; /* the fence's */
	struct list_head node;
	u32 id;
};

struct lab_importer {
	struct mutex lock; /* of all that follows */
	struct dma_buf *buffer; /* NULL: nothing is attached */
	struct dma_buf_attachment *attachment;
	struct sg_table *table;
	struct list_head works;
	u32 last_id;
};

static struct platform_device *lab_device;

static const char *lab_fence_name(struct dma_fence *fence)
{
	return "lab_dma_buf";
}

static const struct dma_fence_ops lab_fence_ops = {
	.get_driver_name = lab_fence_name,
	.get_timeline_name = lab_fence_name,
};

static void finish(struct lab_work *work, int error)
{
	list_del(&work->node);
	if (error)
		dma_fence_set_error(&work->fence, error);
	dma_fence_signal(&work->fence);
	dma_fence_put(&work->fence);
}

static void detach(struct lab_importer *importer)
{
	struct lab_work *work, *next;

	if (!importer->buffer)
		return;
	/* A device that goes away finishes nothing, and must leave nobody waiting. */
	list_for_each_entry_safe(work, next, &importer->works, node)
		finish(work, -ECANCELED);
	dma_buf_unmap_attachment_unlocked(importer->attachment, importer->table, DMA_BIDIRECTIONAL);
	dma_buf_detach(importer->buffer, importer->attachment);
	dma_buf_put(importer->buffer);
	importer->buffer = NULL;
}

static int attach(struct lab_importer *importer, struct lab_attach *argument)
{
	struct dma_buf *buffer;
	int ret;

	if (importer->buffer)
		return -EBUSY;
	buffer = dma_buf_get(argument->fd);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	importer->attachment = dma_buf_attach(buffer, &lab_device->dev);
	if (IS_ERR(importer->attachment)) {
		ret = PTR_ERR(importer->attachment);
		goto put;
	}
	importer->table = dma_buf_map_attachment_unlocked(importer->attachment, DMA_BIDIRECTIONAL);
	if (IS_ERR(importer->table)) {
		ret = PTR_ERR(importer->table);
		goto detach;
	}
	importer->buffer = buffer;
	argument->segments = importer->table->nents;
	argument->size = buffer->size;
	return 0;

detach:
	dma_buf_detach(buffer, importer->attachment);
put:
	dma_buf_put(buffer);
	return ret;
}

static int describe_segment(struct lab_importer *importer, struct lab_segment *argument)
{
	struct scatterlist *entry;
	int i;

	for_each_sgtable_dma_sg(importer->table, entry, i) {
		if (i != argument->index)
			continue;
		argument->dma_address = sg_dma_address(entry);
		argument->length = sg_dma_len(entry);
		return 0;
	}
	return -EINVAL;
}

static int add_fence(struct lab_importer *importer, struct lab_fence *argument)
{
	struct dma_resv *reservation = importer->buffer->resv;
	enum dma_resv_usage usage;
	struct lab_work *work;
	int ret;

	if (argument->usage != LAB_FENCE_READ && argument->usage != LAB_FENCE_WRITE)
		return -EINVAL;
	usage = argument->usage == LAB_FENCE_WRITE ? DMA_RESV_USAGE_WRITE : DMA_RESV_USAGE_READ;
	work = kzalloc(sizeof(*work), GFP_KERNEL);
	if (!work)
		return -ENOMEM;
	spin_lock_init(&work->lock);
	/* Of two fences in one context, the kernel keeps the later one only. */
	dma_fence_init(&work->fence, &lab_fence_ops, &work->lock, dma_fence_context_alloc(1), 1);

	dma_resv_lock(reservation, NULL);
	ret = dma_resv_reserve_fences(reservation, 1);
	if (!ret)
		dma_resv_add_fence(reservation, &work->fence, usage);
	dma_resv_unlock(reservation);
	if (ret) {
		dma_fence_put(&work->fence);
		return ret;
	}
	work->id = argument->id = ++importer->last_id;
	list_add_tail(&work->node, &importer->works);
	return 0;
}

static int signal_fence(struct lab_importer *importer, const struct lab_signal *argument)
{
	struct lab_work *work;

	if (argument->error > MAX_ERRNO)
		return -EINVAL;
	list_for_each_entry(work, &importer->works, node) {
		if (work->id != argument->id)
			continue;
		finish(work, -(int)argument->error);
		return 0;
	}
	return -ENOENT;
}

static int dispatch(struct lab_importer *importer, unsigned int request, void *argument)
{
	if (request == LAB_ATTACH)
		return attach(importer, argument);
	if (!importer->buffer)
		return -ENXIO;
	switch (request) {
	case LAB_SEGMENT:
		return describe_segment(importer, argument);
	case LAB_ADD_FENCE:
		return add_fence(importer, argument);
	case LAB_SIGNAL:
		return signal_fence(importer, argument);
	case LAB_DETACH:
		detach(importer);
		return 0;
	default:
		return -ENOTTY;
	}
}

static long lab_ioctl(struct file *file, unsigned int request, unsigned long address)
{
	struct lab_importer *importer = file->private_data;
	union {
		struct lab_attach attach;
		struct lab_segment segment;
		struct lab_fence fence;
		struct lab_signal signal;
	} argument;
	size_t size = _IOC_SIZE(request);
	long ret;

	if (size > sizeof(argument))
		return -ENOTTY;
	if (copy_from_user(&argument, (void __user *)address, size))
		return -EFAULT;
	mutex_lock(&importer->lock);
	ret = dispatch(importer, request, &argument);
	mutex_unlock(&importer->lock);
	if (!ret && (_IOC_DIR(request) & _IOC_READ) && copy_to_user((void __user *)address, &argument, size))
		return -EFAULT;
	return ret;
}

/* The bytes of the buffer as the kernel sees them. Exactly one of `target` and `source` is given. */
static ssize_t access_bytes(struct file *file, char __user *target, const char __user *source, size_t count, loff_t *pos)
{
	struct lab_importer *importer = file->private_data;
	struct iosys_map map;
	unsigned long missed;
	ssize_t ret;

	mutex_lock(&importer->lock);
	ret = -ENXIO;
	if (!importer->buffer)
		goto unlock;
	ret = 0;
	if (*pos < 0 || *pos >= importer->buffer->size)
		goto unlock;
	count = min_t(size_t, count, importer->buffer->size - *pos);
	ret = dma_buf_vmap_unlocked(importer->buffer, &map);
	if (ret)
		goto unlock;
	ret = -EIO;
	if (!map.is_iomem) {
		missed = target ? copy_to_user(target, map.vaddr + *pos, count)
				: copy_from_user(map.vaddr + *pos, source, count);
		ret = missed ? -EFAULT : count;
	}
	dma_buf_vunmap_unlocked(importer->buffer, &map);
	if (ret > 0)
		*pos += ret;
unlock:
	mutex_unlock(&importer->lock);
	return ret;
}

static ssize_t lab_read(struct file *file, char __user *target, size_t count, loff_t *pos)
{
	return access_bytes(file, target, NULL, count, pos);
}

static ssize_t lab_write(struct file *file, const char __user *source, size_t count, loff_t *pos)
{
	return access_bytes(file, NULL, source, count, pos);
}

static int lab_open(struct inode *inode, struct file *file)
{
	struct lab_importer *importer = kzalloc(sizeof(*importer), GFP_KERNEL);

	if (!importer)
		return -ENOMEM;
	mutex_init(&importer->lock);
	INIT_LIST_HEAD(&importer->works);
	file->private_data = importer;
	return 0;
}

static int lab_release(struct inode *inode, struct file *file)
{
	struct lab_importer *importer = file->private_data;

	detach(importer);
	kfree(importer);
	return 0;
}

static const struct file_operations lab_operations = {
	.owner = THIS_MODULE,
	.open = lab_open,
	.release = lab_release,
	.read = lab_read,
	.write = lab_write,
	.unlocked_ioctl = lab_ioctl,
};

static struct miscdevice lab_node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lab_dma_buf",
	.fops = &lab_operations,
};

static int __init lab_dma_buf_init(void)
{
	int ret;

	lab_device = platform_device_register_simple("lab_dma_buf", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(lab_device))
		return PTR_ERR(lab_device);
	ret = dma_coerce_mask_and_coherent(&lab_device->dev, DMA_BIT_MASK(64));
	if (!ret)
		ret = misc_register(&lab_node);
	if (ret)
		platform_device_unregister(lab_device);
	return ret;
}

module_init(lab_dma_buf_init);
MODULE_DESCRIPTION("An importer of dma-bufs without hardware, for the lab");
MODULE_LICENSE("GPL");
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS(DMA_BUF);
#else
MODULE_IMPORT_NS("DMA_BUF");
#endif
