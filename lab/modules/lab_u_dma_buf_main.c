// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers in one piece of physical memory for user space, by the interface of the driver u-dma-buf, version 5.5.0: its class
 * in sysfs, its requests, mmap, and dma-bufs. Written from what that interface is documented to be, and from what the driver
 * answered; for kernels on which it is to be tried out without it.
 *
 * Two answers are others than the driver's, on purpose: a range that wraps around is not exported, and a buffer that is
 * unbound while somebody has it open lives until that is closed.
 */
#include <linux/cdev.h>
#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "lab_u_dma_buf.h"

#define DRIVER_NAME "u-dma-buf"
#define MOST_BUFFERS 8

static unsigned long sizes[2];
module_param_named(udmabuf0, sizes[0], ulong, 0444);
module_param_named(udmabuf1, sizes[1], ulong, 0444);
MODULE_PARM_DESC(udmabuf0, "bytes of /dev/udmabuf0, 0 for none");
MODULE_PARM_DESC(udmabuf1, "bytes of /dev/udmabuf1, 0 for none");
static int dma_mask_bit = 32;
module_param(dma_mask_bit, int, 0444);
MODULE_PARM_DESC(dma_mask_bit, "address bits below which the buffers lie");

static dev_t numbers;
static struct platform_device *devices[ARRAY_SIZE(sizes)];

static struct lab_buffer *to_buffer(struct device *dev)
{
	return container_of(dev, struct lab_buffer, dev);
}

/* The bytes and the direction that a sync is of: those of the word, or, where it has none, those that were set before. */
static int sync_range(struct lab_buffer *buffer, u64 word, u64 *offset, u64 *bytes, enum dma_data_direction *direction)
{
	bool packed = (word >> 1) != 0;
	int number = packed ? (word >> 2) & 3 : buffer->sync_direction;

	*offset = packed ? word >> 32 : buffer->sync_offset;
	*bytes = packed ? word & 0xfffffff0 : buffer->sync_size;
	if (*offset + *bytes > buffer->size)
		return -EINVAL;
	*direction = number == 1 ? DMA_TO_DEVICE : number == 2 ? DMA_FROM_DEVICE : DMA_BIDIRECTIONAL;
	return 0;
}

/* What lies within the buffer of a range that may wrap around. */
static void sync_within(struct lab_buffer *buffer, u64 offset, u64 bytes, enum dma_data_direction direction, bool for_device)
{
	if (offset >= buffer->size || bytes > buffer->size - offset)
		return;
	if (for_device)
		dma_sync_single_for_device(buffer->owner, buffer->address + offset, bytes, direction);
	else
		dma_sync_single_for_cpu(buffer->owner, buffer->address + offset, bytes, direction);
}

int lab_buffer_sync(struct lab_buffer *buffer, u64 word, bool for_device)
{
	u64 *command = for_device ? &buffer->sync_for_device : &buffer->sync_for_cpu;
	enum dma_data_direction direction;
	u64 offset, bytes;
	int ret;

	*command = word;
	if (!word)
		return 0;
	ret = sync_range(buffer, word, &offset, &bytes, &direction);
	if (ret)
		return ret;
	sync_within(buffer, offset, bytes, direction, for_device);
	*command = 0;
	buffer->sync_owner = for_device;
	return 0;
}

/* Past the caches only where sync_mode has a way for it, and it is asked for, or so always. */
static void set_protection(struct lab_buffer *buffer, struct vm_area_struct *vma, bool asked)
{
	if (!asked && !(buffer->sync_mode & SYNC_ALWAYS))
		return;
	switch (buffer->sync_mode & 3) {
	case 1:
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
		break;
	case 2:
	case 3:
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
		break;
	}
}

int lab_buffer_mmap(struct lab_buffer *buffer, struct vm_area_struct *vma, u64 offset, size_t bytes, bool synchronous)
{
	if (vma->vm_pgoff + vma_pages(vma) > bytes >> PAGE_SHIFT)
		return -EINVAL;
	set_protection(buffer, vma, synchronous);
	return dma_mmap_coherent(buffer->owner, vma, buffer->memory + offset, buffer->address + offset, bytes);
}

static int buffer_open(struct inode *inode, struct file *file)
{
	file->private_data = container_of(inode->i_cdev, struct lab_buffer, cdev);
	return 0;
}

static int buffer_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct lab_buffer *buffer = file->private_data;

	return lab_buffer_mmap(buffer, vma, 0, PAGE_ALIGN(buffer->size), file->f_flags & O_SYNC);
}

/* simple_read_from_buffer() and its counterpart would fail for a bad pointer: here it is no bytes. */
static ssize_t buffer_transfer(struct file *file, char __user *user, size_t bytes, loff_t *position, bool write)
{
	struct lab_buffer *buffer = file->private_data;
	unsigned long left;

	if (*position >= buffer->size)
		return 0;
	bytes = min_t(size_t, bytes, buffer->size - *position);
	left = write ? copy_from_user(buffer->memory + *position, user, bytes)
		     : copy_to_user(user, buffer->memory + *position, bytes);
	if (left)
		return 0;
	*position += bytes;
	return bytes;
}

static ssize_t buffer_read(struct file *file, char __user *user, size_t bytes, loff_t *position)
{
	return buffer_transfer(file, user, bytes, position, false);
}

static ssize_t buffer_write(struct file *file, const char __user *user, size_t bytes, loff_t *position)
{
	return buffer_transfer(file, (char __user *)user, bytes, position, true);
}

/* Up to the end, and no further: no other way to seek than these three. */
static loff_t buffer_seek(struct file *file, loff_t offset, int whence)
{
	struct lab_buffer *buffer = file->private_data;

	return whence > SEEK_END ? -EINVAL : fixed_size_llseek(file, offset, whence, buffer->size);
}

static const struct file_operations buffer_fops = {
	.owner = THIS_MODULE,
	.open = buffer_open,
	.mmap = buffer_mmap,
	.read = buffer_read,
	.write = buffer_write,
	.llseek = buffer_seek,
	.unlocked_ioctl = lab_buffer_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct class buffer_class = {
	.name = DRIVER_NAME,
	.dev_groups = lab_buffer_groups,
};

/* Once nobody has it open any more, and no dma-buf of it is left. */
static void buffer_release(struct device *dev)
{
	struct lab_buffer *buffer = to_buffer(dev);

	dma_free_coherent(buffer->owner, PAGE_ALIGN(buffer->size), buffer->memory, buffer->address);
	put_device(buffer->owner);
	kfree(buffer);
}

static int buffer_probe(struct platform_device *device)
{
	struct lab_buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	int ret;

	if (!buffer)
		return -ENOMEM;
	buffer->size = *(unsigned long *)dev_get_platdata(&device->dev);
	buffer->sync_size = buffer->size;
	buffer->sync_mode = 1;
	mutex_init(&buffer->lock);
	buffer->memory = dma_alloc_coherent(&device->dev, PAGE_ALIGN(buffer->size), &buffer->address, GFP_KERNEL);
	if (!buffer->memory) {
		kfree(buffer);
		return -ENOMEM;
	}
	buffer->owner = get_device(&device->dev);
	device_initialize(&buffer->dev);
	buffer->dev.class = &buffer_class;
	buffer->dev.parent = &device->dev;
	buffer->dev.devt = numbers + device->id;
	buffer->dev.release = buffer_release;
	cdev_init(&buffer->cdev, &buffer_fops);
	buffer->cdev.owner = THIS_MODULE;
	ret = dev_set_name(&buffer->dev, "udmabuf%d", device->id);
	if (!ret)
		ret = cdev_device_add(&buffer->cdev, &buffer->dev);
	if (ret) {
		put_device(&buffer->dev);
		return ret;
	}
	platform_set_drvdata(device, buffer);
	return 0;
}

static void buffer_remove(struct platform_device *device)
{
	struct lab_buffer *buffer = platform_get_drvdata(device);

	cdev_device_del(&buffer->cdev, &buffer->dev);
	put_device(&buffer->dev);
}

static struct platform_driver buffer_driver = {
	.probe = buffer_probe,
	.remove = buffer_remove,
	.driver = { .name = DRIVER_NAME },
};

static void remove_devices(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(devices); i++)
		platform_device_unregister(devices[i]);
}

static int add_devices(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct platform_device_info info = {
			.name = DRIVER_NAME,
			.id = i,
			.data = &sizes[i],
			.size_data = sizeof(sizes[i]),
			.dma_mask = DMA_BIT_MASK(dma_mask_bit),
		};

		if (!sizes[i])
			continue;
		devices[i] = platform_device_register_full(&info);
		if (IS_ERR(devices[i])) {
			int ret = PTR_ERR(devices[i]);

			devices[i] = NULL;
			remove_devices();
			return ret;
		}
	}
	return 0;
}

static int __init lab_u_dma_buf_init(void)
{
	int ret;

	if (dma_mask_bit < 1 || dma_mask_bit > 64)
		return -EINVAL;
	ret = alloc_chrdev_region(&numbers, 0, MOST_BUFFERS, DRIVER_NAME);
	if (ret)
		return ret;
	ret = class_register(&buffer_class);
	if (ret)
		goto no_class;
	ret = platform_driver_register(&buffer_driver);
	if (ret)
		goto no_driver;
	ret = add_devices();
	if (!ret)
		return 0;
	platform_driver_unregister(&buffer_driver);
no_driver:
	class_unregister(&buffer_class);
no_class:
	unregister_chrdev_region(numbers, MOST_BUFFERS);
	return ret;
}

static void __exit lab_u_dma_buf_exit(void)
{
	remove_devices();
	platform_driver_unregister(&buffer_driver);
	class_unregister(&buffer_class);
	unregister_chrdev_region(numbers, MOST_BUFFERS);
}

module_init(lab_u_dma_buf_init);
module_exit(lab_u_dma_buf_exit);
MODULE_DESCRIPTION("Buffers in one piece by the interface of u-dma-buf, for the lab");
MODULE_LICENSE("GPL");
