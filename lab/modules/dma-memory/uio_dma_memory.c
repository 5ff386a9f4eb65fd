// SPDX-License-Identifier: GPL-2.0
/*
 * Coherent DMA memory from the UIO core, allocated by mmap(): the interface proposed in 2008, and the one that its
 * review asked for. Neither was merged.
 *
 * magic: the offset 0xfffff000 allocates a region, index * page size maps it again; map1000 and on in sysfs.
 * flag:  bit 16 of the page offset, with the index of a map that is DMA memory, allocates it once and maps it.
 *
 * The bus address is in the first word of the memory, the index in the second. The memory lives as long as the device
 * is registered, whether it is mapped, open, or neither.
 */
#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uio_driver.h>
#include "uio_dma_memory.h"

#define MAGIC_PAGE 0xfffff
#define FIRST_INDEX 1000
#define FLAG 0x10000
#define SLOTS 2

static char *variant = "magic";
module_param(variant, charp, 0444);
MODULE_PARM_DESC(variant, "magic or flag");

static bool has_flag(void)
{
	return !strcmp(variant, "flag");
}

struct region {
	struct kobject kobj;
	struct list_head list;
	struct uio_device *idev;
	unsigned int index;
	size_t bytes;
	u64 *memory;
	dma_addr_t bus;
};

/* Of all devices, in the order of their indexes. */
static LIST_HEAD(regions);
static DEFINE_MUTEX(regions_lock);

static const char *const slot_names[SLOTS] = { "dma0", "dma1" };
static const size_t slot_bytes[SLOTS] = { 64 * 1024, 1024 * 1024 };

static u64 *allocate(struct uio_device *idev, size_t bytes, dma_addr_t *bus, unsigned int index)
{
	u64 *memory;

	/* A mapping can ask for anything; one that takes most of the memory would end other processes first. */
	if (bytes >> PAGE_SHIFT > totalram_pages() / 4)
		return NULL;
	memory = dma_alloc_coherent(idev->dev.parent, bytes, bus, GFP_KERNEL | __GFP_NOWARN);
	if (memory) {
		memory[0] = *bus;
		memory[1] = index;
	}
	return memory;
}

/* dma_mmap_coherent() takes the page offset for one into the memory. */
static int map(struct uio_device *idev, struct vm_area_struct *vma, void *memory, dma_addr_t bus)
{
	unsigned long offset = vma->vm_pgoff;
	int ret;

	vma->vm_pgoff = 0;
	ret = dma_mmap_coherent(idev->dev.parent, vma, memory, bus, vma->vm_end - vma->vm_start);
	vma->vm_pgoff = offset;
	return ret;
}

struct region_attribute {
	struct attribute attr;
	ssize_t (*show)(const struct region *region, char *text);
};

static ssize_t name_show(const struct region *region, char *text)
{
	return sysfs_emit(text, "dma\n");
}

static ssize_t addr_show(const struct region *region, char *text)
{
	return sysfs_emit(text, "%pad\n", &region->bus);
}

static ssize_t size_show(const struct region *region, char *text)
{
	return sysfs_emit(text, "0x%016zx\n", region->bytes);
}

static ssize_t offset_show(const struct region *region, char *text)
{
	return sysfs_emit(text, "0x0\n");
}

static struct region_attribute name_attribute = __ATTR_RO(name);
static struct region_attribute addr_attribute = __ATTR_RO(addr);
static struct region_attribute size_attribute = __ATTR_RO(size);
static struct region_attribute offset_attribute = __ATTR_RO(offset);

static struct attribute *region_attrs[] = {
	&name_attribute.attr,
	&addr_attribute.attr,
	&size_attribute.attr,
	&offset_attribute.attr,
	NULL,
};
ATTRIBUTE_GROUPS(region);

static ssize_t region_show(struct kobject *kobj, struct attribute *attr, char *text)
{
	const struct region_attribute *attribute = container_of(attr, struct region_attribute, attr);

	return attribute->show(container_of(kobj, struct region, kobj), text);
}

static void region_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct region, kobj));
}

static const struct sysfs_ops region_sysfs_ops = { .show = region_show };

static const struct kobj_type region_type = {
	.release = region_release,
	.sysfs_ops = &region_sysfs_ops,
	.default_groups = region_groups,
};

static void remove_region(struct region *region)
{
	list_del(&region->list);
	kobject_del(&region->kobj);
	dma_free_coherent(region->idev->dev.parent, region->bytes, region->memory, region->bus);
	kobject_put(&region->kobj);
}

static unsigned int next_index(const struct uio_device *idev)
{
	unsigned int index = FIRST_INDEX;
	struct region *region;

	list_for_each_entry(region, &regions, list)
		if (region->idev == idev)
			index = region->index + 1;
	return index;
}

static int add_region(struct uio_device *idev, struct vm_area_struct *vma)
{
	struct region *region = kzalloc(sizeof(*region), GFP_KERNEL);
	int ret;

	if (!region)
		return -ENOMEM;
	kobject_init(&region->kobj, &region_type);
	region->idev = idev;
	region->index = next_index(idev);
	region->bytes = vma->vm_end - vma->vm_start;
	region->memory = allocate(idev, region->bytes, &region->bus, region->index);
	if (!region->memory) {
		kobject_put(&region->kobj);
		return -ENOMEM;
	}
	list_add_tail(&region->list, &regions);
	ret = kobject_add(&region->kobj, idev->map_dir, "map%u", region->index);
	if (!ret)
		ret = map(idev, vma, region->memory, region->bus);
	if (ret)
		remove_region(region);
	return ret;
}

static int map_region(struct uio_device *idev, struct vm_area_struct *vma)
{
	struct region *region;

	list_for_each_entry(region, &regions, list) {
		if (region->idev != idev || region->index != vma->vm_pgoff)
			continue;
		if (vma->vm_end - vma->vm_start > region->bytes)
			return -EINVAL;
		return map(idev, vma, region->memory, region->bus);
	}
	return -EINVAL;
}

static bool is_slot(const struct uio_mem *mem)
{
	return mem->size && mem->memtype == UIO_MEM_NONE && (mem->name == slot_names[0] || mem->name == slot_names[1]);
}

static int map_slot(struct uio_device *idev, struct vm_area_struct *vma)
{
	unsigned long index = vma->vm_pgoff & ~FLAG;
	struct uio_mem *mem;

	if (index >= MAX_UIO_MAPS)
		return -EINVAL;
	mem = &idev->info->mem[index];
	if (!is_slot(mem) || vma->vm_end - vma->vm_start > mem->size)
		return -EINVAL;
	if (!mem->internal_addr) {
		u64 *memory = allocate(idev, mem->size, &mem->dma_addr, index);

		if (!memory)
			return -ENOMEM;
		mem->internal_addr = (void __iomem __force *)memory;
		mem->addr = mem->dma_addr;
	}
	return map(idev, vma, (void __force *)mem->internal_addr, mem->dma_addr);
}

/* Behind the driver's own maps, as far as there is room for them. */
static void add_slots(struct uio_info *info)
{
	unsigned int own = 0, i;

	while (own < MAX_UIO_MAPS && info->mem[own].size)
		own++;
	for (i = 0; i < SLOTS && own + i < MAX_UIO_MAPS; i++)
		info->mem[own + i] = (struct uio_mem){ .name = slot_names[i], .size = slot_bytes[i] };
}

static void remove_slots(struct uio_device *idev)
{
	unsigned int i;

	for (i = 0; i < MAX_UIO_MAPS; i++) {
		struct uio_mem *mem = &idev->info->mem[i];

		if (!is_slot(mem))
			continue;
		if (mem->internal_addr)
			dma_free_coherent(idev->dev.parent, mem->size, (void __force *)mem->internal_addr,
					  mem->dma_addr);
		/* The driver may register this very info again. */
		*mem = (struct uio_mem){};
	}
}

int uio_dma_memory_offer(struct uio_device *idev)
{
	if (has_flag()) {
		add_slots(idev->info);
		return 0;
	}
	if (strcmp(variant, "magic"))
		return -EINVAL;
	/* The core makes the directory of a device that has maps, and removes it in any case. */
	if (idev->info->mem[0].size)
		return 0;
	idev->map_dir = kobject_create_and_add("maps", &idev->dev.kobj);
	return idev->map_dir ? 0 : -ENOMEM;
}

void uio_dma_memory_withdraw(struct uio_device *idev)
{
	struct region *region, *next;

	remove_slots(idev);
	mutex_lock(&regions_lock);
	list_for_each_entry_safe(region, next, &regions, list)
		if (region->idev == idev)
			remove_region(region);
	mutex_unlock(&regions_lock);
}

bool uio_dma_memory_claims(const struct vm_area_struct *vma)
{
	if (has_flag())
		return (vma->vm_pgoff & ~0xffffUL) == FLAG;
	return vma->vm_pgoff >= FIRST_INDEX;
}

int uio_dma_memory_mmap(struct uio_device *idev, struct vm_area_struct *vma)
{
	int ret;

	if (has_flag())
		return map_slot(idev, vma);
	mutex_lock(&regions_lock);
	ret = vma->vm_pgoff == MAGIC_PAGE ? add_region(idev, vma) : map_region(idev, vma);
	mutex_unlock(&regions_lock);
	return ret;
}
