// SPDX-License-Identifier: GPL-2.0
/* What sysfs has of each buffer of lab_u_dma_buf. */
#include <linux/dma-map-ops.h>
#include "lab_u_dma_buf.h"

static struct lab_buffer *to_buffer(struct device *dev)
{
	return container_of(dev, struct lab_buffer, dev);
}

#define SHOW(name, format, value)                                                                 \
	static ssize_t name##_show(struct device *dev, struct device_attribute *attr, char *text) \
	{                                                                                         \
		struct lab_buffer *buffer __maybe_unused = to_buffer(dev);                        \
                                                                                                  \
		return sysfs_emit(text, format "\n", value);                                      \
	}

#define STORE(name, largest)                                                                       \
	static ssize_t name##_store(struct device *dev, struct device_attribute *attr,            \
				    const char *text, size_t bytes)                               \
	{                                                                                         \
		struct lab_buffer *buffer = to_buffer(dev);                                       \
		u64 value;                                                                        \
		int ret = kstrtoull(text, 0, &value);                                             \
                                                                                                  \
		if (ret)                                                                          \
			return ret;                                                               \
		if (value > (largest))                                                            \
			return -EINVAL;                                                           \
		mutex_lock(&buffer->lock);                                                        \
		buffer->name = value;                                                             \
		mutex_unlock(&buffer->lock);                                                      \
		return bytes;                                                                     \
	}

static ssize_t store_sync(struct device *dev, const char *text, size_t bytes, bool for_device)
{
	struct lab_buffer *buffer = to_buffer(dev);
	u64 word;
	int ret = kstrtoull(text, 0, &word);

	if (ret)
		return ret;
	mutex_lock(&buffer->lock);
	ret = lab_buffer_sync(buffer, word, for_device);
	mutex_unlock(&buffer->lock);
	return ret ? ret : bytes;
}

static ssize_t sync_for_cpu_store(struct device *dev, struct device_attribute *attr, const char *text, size_t bytes)
{
	return store_sync(dev, text, bytes, false);
}

static ssize_t sync_for_device_store(struct device *dev, struct device_attribute *attr, const char *text, size_t bytes)
{
	return store_sync(dev, text, bytes, true);
}

SHOW(driver_version, "%s", INTERFACE_VERSION)
SHOW(size, "%zu", buffer->size)
SHOW(phys_addr, "%pad", &buffer->address)
SHOW(sync_mode, "%u", buffer->sync_mode)
STORE(sync_mode, 7)
SHOW(sync_offset, "0x%llx", buffer->sync_offset)
STORE(sync_offset, U64_MAX)
SHOW(sync_size, "%llu", buffer->sync_size)
STORE(sync_size, U64_MAX)
SHOW(sync_direction, "%u", buffer->sync_direction)
STORE(sync_direction, 2)
SHOW(sync_owner, "%d", buffer->sync_owner)
SHOW(sync_for_cpu, "%llu", buffer->sync_for_cpu)
SHOW(sync_for_device, "%llu", buffer->sync_for_device)
SHOW(quirk_mmap_mode, "%d", QUIRK_MMAP_AUTO)
SHOW(dma_coherent, "%d", dev_is_dma_coherent(buffer->owner))
SHOW(debug_vma, "%u", buffer->debug_vma)
STORE(debug_vma, 3)
SHOW(debug_export, "%u", buffer->debug_export)
STORE(debug_export, 1)
SHOW(ioctl_version, "%d", REQUESTS_VERSION)

static DEVICE_ATTR_RO(driver_version);
static DEVICE_ATTR_RO(size);
static DEVICE_ATTR_RO(phys_addr);
static DEVICE_ATTR(sync_mode, 0664, sync_mode_show, sync_mode_store);
static DEVICE_ATTR(sync_offset, 0664, sync_offset_show, sync_offset_store);
static DEVICE_ATTR(sync_size, 0664, sync_size_show, sync_size_store);
static DEVICE_ATTR(sync_direction, 0664, sync_direction_show, sync_direction_store);
static DEVICE_ATTR_RO(sync_owner);
static DEVICE_ATTR(sync_for_cpu, 0664, sync_for_cpu_show, sync_for_cpu_store);
static DEVICE_ATTR(sync_for_device, 0664, sync_for_device_show, sync_for_device_store);
static DEVICE_ATTR_RO(quirk_mmap_mode);
static DEVICE_ATTR_RO(dma_coherent);
static DEVICE_ATTR(debug_vma, 0664, debug_vma_show, debug_vma_store);
static DEVICE_ATTR(debug_export, 0664, debug_export_show, debug_export_store);
static DEVICE_ATTR_RO(ioctl_version);

static struct attribute *attributes[] = {
	&dev_attr_driver_version.attr,
	&dev_attr_size.attr,
	&dev_attr_phys_addr.attr,
	&dev_attr_sync_mode.attr,
	&dev_attr_sync_offset.attr,
	&dev_attr_sync_size.attr,
	&dev_attr_sync_direction.attr,
	&dev_attr_sync_owner.attr,
	&dev_attr_sync_for_cpu.attr,
	&dev_attr_sync_for_device.attr,
	&dev_attr_quirk_mmap_mode.attr,
	&dev_attr_dma_coherent.attr,
	&dev_attr_debug_vma.attr,
	&dev_attr_debug_export.attr,
	&dev_attr_ioctl_version.attr,
	NULL,
};

static const struct attribute_group group = { .attrs = attributes };

const struct attribute_group *lab_buffer_groups[] = { &group, NULL };
