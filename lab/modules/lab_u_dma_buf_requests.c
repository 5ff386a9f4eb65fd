// SPDX-License-Identifier: GPL-2.0
/* The requests of lab_u_dma_buf: those of u-dma-buf, by their documented numbers and structures. */
#include <linux/dma-map-ops.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/uaccess.h>
#include "lab_u_dma_buf.h"

struct driver_answer {
	u64 flags;
	char version[16];
};

struct device_answer {
	u64 flags;
	u64 size;
	u64 address;
};

struct sync_argument {
	u64 flags;
	u64 size;
	u64 offset;
};

struct export_argument {
	u64 flags;
	u64 size;
	u64 offset;
	u64 address;
	int fd;
};

#define GET_DRV_INFO _IOR('U', 1, struct driver_answer)
#define GET_SIZE _IOR('U', 2, u64)
#define GET_DMA_ADDR _IOR('U', 3, u64)
#define GET_SYNC_OWNER _IOR('U', 4, u32)
#define SET_SYNC_FOR_CPU _IOW('U', 5, u64)
#define SET_SYNC_FOR_DEVICE _IOW('U', 6, u64)
#define GET_DEV_INFO _IOR('U', 7, struct device_answer)
#define GET_SYNC _IOR('U', 8, struct sync_argument)
#define SET_SYNC _IOW('U', 9, struct sync_argument)
#define EXPORT _IOWR('U', 10, struct export_argument)

/* Beside the version of the requests: functions for other drivers, and two ways of mmap, as the driver says it has. */
#define DRIVER_FLAGS (REQUESTS_VERSION | 1 << 8 | 1 << 16 | 1 << 17)

static long give(void __user *user, const void *answer, size_t bytes)
{
	return copy_to_user(user, answer, bytes) ? -EFAULT : 0;
}

static struct device_answer describe(struct lab_buffer *buffer)
{
	u64 coherent = dev_is_dma_coherent(buffer->owner);

	return (struct device_answer){
		.flags = fls64(dma_get_mask(buffer->owner)) | coherent << 9 | QUIRK_MMAP_AUTO << 10,
		.size = buffer->size,
		.address = buffer->address,
	};
}

static struct sync_argument sync_state(struct lab_buffer *buffer)
{
	u64 owner = buffer->sync_owner;

	return (struct sync_argument){
		.flags = buffer->sync_direction << 2 | (buffer->sync_mode & 0xff) << 8 | owner << 16,
		.size = buffer->sync_size,
		.offset = buffer->sync_offset,
	};
}

/* What is 0 of mode and size stays as it is, and so does a direction that is none. It stays also where the sync is refused. */
static long set_sync(struct lab_buffer *buffer, const void __user *user)
{
	struct sync_argument sync;
	unsigned int direction, mode;

	if (copy_from_user(&sync, user, sizeof(sync)))
		return -EFAULT;
	direction = sync.flags >> 2 & 3;
	mode = sync.flags >> 8 & 0xff;
	if (direction != 3)
		buffer->sync_direction = direction;
	if (mode)
		buffer->sync_mode = mode;
	buffer->sync_offset = sync.offset;
	if (sync.size)
		buffer->sync_size = sync.size;
	switch (sync.flags & 3) {
	case 1:
		return lab_buffer_sync(buffer, 1, false);
	case 3:
		return lab_buffer_sync(buffer, 1, true);
	default:
		return 0;
	}
}

static long set_sync_word(struct lab_buffer *buffer, const void __user *user, bool for_device)
{
	u64 word;

	if (copy_from_user(&word, user, sizeof(word)))
		return -EFAULT;
	return lab_buffer_sync(buffer, word, for_device);
}

static long export(struct lab_buffer *buffer, void __user *user)
{
	struct export_argument argument;

	if (copy_from_user(&argument, user, sizeof(argument)))
		return -EFAULT;
	argument.fd = lab_buffer_export(buffer, argument.offset, argument.size, argument.flags);
	if (argument.fd < 0)
		return argument.fd;
	argument.address = buffer->address + argument.offset;
	return give(user, &argument, sizeof(argument));
}

static long answer(struct lab_buffer *buffer, unsigned int request, void __user *user)
{
	struct driver_answer driver = { .flags = DRIVER_FLAGS, .version = INTERFACE_VERSION };
	struct device_answer device = describe(buffer);
	struct sync_argument sync = sync_state(buffer);
	u32 owner = buffer->sync_owner;

	switch (request) {
	case GET_DRV_INFO:
		return give(user, &driver, sizeof(driver));
	case GET_SIZE:
		return give(user, &device.size, sizeof(device.size));
	case GET_DMA_ADDR:
		return give(user, &device.address, sizeof(device.address));
	case GET_SYNC_OWNER:
		return give(user, &owner, sizeof(owner));
	case SET_SYNC_FOR_CPU:
		return set_sync_word(buffer, user, false);
	case SET_SYNC_FOR_DEVICE:
		return set_sync_word(buffer, user, true);
	case GET_DEV_INFO:
		return give(user, &device, sizeof(device));
	case GET_SYNC:
		return give(user, &sync, sizeof(sync));
	case SET_SYNC:
		return set_sync(buffer, user);
	case EXPORT:
		return export(buffer, user);
	default:
		return -ENOTTY;
	}
}

long lab_buffer_ioctl(struct file *file, unsigned int request, unsigned long argument)
{
	struct lab_buffer *buffer = file->private_data;
	long ret;

	mutex_lock(&buffer->lock);
	ret = answer(buffer, request, (void __user *)argument);
	mutex_unlock(&buffer->lock);
	return ret;
}
