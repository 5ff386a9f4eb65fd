// SPDX-License-Identifier: GPL-2.0
/*
 * A UIO device that needs no hardware: one map of each kind of kernel memory, a port range, and interrupts that a file
 * in sysfs raises. A second device has nothing at all. Everything is managed by the driver core: to unbind a device
 * while user space has it open takes it away at once, as from any UIO driver.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/sched/signal.h>
#include <linux/uio_driver.h>
#include <linux/vmalloc.h>

#define LOGICAL_BYTES 8192
#define VIRTUAL_BYTES 5000
#define VIRTUAL_OFFSET 0x40
#define COHERENT_BYTES 16384

#define LOGICAL_MARK 0x4c4f4749
#define VIRTUAL_MARK 0x56495254
#define COHERENT_MARK 0x434f4845

struct lab_uio {
	struct uio_info info;
	spinlock_t lock; /* of the two below */
	s32 last_control;
	unsigned long controls;
};

static int lab_uio_irqcontrol(struct uio_info *info, s32 on)
{
	struct lab_uio *lab = info->priv;

	spin_lock(&lab->lock);
	lab->last_control = on;
	lab->controls++;
	spin_unlock(&lab->lock);
	return 0;
}

static ssize_t notify_store(struct device *dev, struct device_attribute *attr, const char *text, size_t count)
{
	struct lab_uio *lab = dev_get_drvdata(dev);
	unsigned long events;
	int ret = kstrtoul(text, 0, &events);

	if (ret)
		return ret;
	for (; events > 0; events--) {
		if (fatal_signal_pending(current))
			return -EINTR;
		uio_event_notify(&lab->info);
		cond_resched();
	}
	return count;
}
static DEVICE_ATTR_WO(notify);

static ssize_t irqcontrol_show(struct device *dev, struct device_attribute *attr, char *text)
{
	struct lab_uio *lab = dev_get_drvdata(dev);
	unsigned long controls;
	s32 last;

	spin_lock(&lab->lock);
	last = lab->last_control;
	controls = lab->controls;
	spin_unlock(&lab->lock);
	return sysfs_emit(text, "%d %lu\n", last, controls);
}
static DEVICE_ATTR_RO(irqcontrol);

static struct attribute *lab_uio_attrs[] = {
	&dev_attr_notify.attr,
	&dev_attr_irqcontrol.attr,
	NULL,
};
ATTRIBUTE_GROUPS(lab_uio);

static void free_logical(void *memory)
{
	free_pages_exact(memory, LOGICAL_BYTES);
}

static int add_logical(struct device *dev, struct uio_mem *mem)
{
	/* Pages of a slab must not be mapped, and those of a larger page are not counted one by one: exact ones are. */
	u32 *memory = alloc_pages_exact(LOGICAL_BYTES, GFP_KERNEL | __GFP_ZERO);

	if (!memory)
		return -ENOMEM;
	memory[0] = LOGICAL_MARK;
	mem->name = "logical";
	mem->memtype = UIO_MEM_LOGICAL;
	mem->addr = (uintptr_t)memory;
	mem->size = LOGICAL_BYTES;
	return devm_add_action_or_reset(dev, free_logical, memory);
}

static void free_virtual(void *memory)
{
	vfree(memory);
}

static int add_virtual(struct device *dev, struct uio_mem *mem)
{
	void *memory = vmalloc_user(VIRTUAL_BYTES);

	if (!memory)
		return -ENOMEM;
	*(u32 *)(memory + VIRTUAL_OFFSET) = VIRTUAL_MARK;
	mem->name = "virtual";
	mem->memtype = UIO_MEM_VIRTUAL;
	mem->addr = (uintptr_t)memory;
	mem->offs = VIRTUAL_OFFSET;
	mem->size = VIRTUAL_BYTES;
	return devm_add_action_or_reset(dev, free_virtual, memory);
}

static int add_coherent(struct device *dev, struct uio_mem *mem)
{
	u32 *memory = dmam_alloc_coherent(dev, COHERENT_BYTES, &mem->dma_addr, GFP_KERNEL);

	if (!memory)
		return -ENOMEM;
	memory[0] = COHERENT_MARK;
	mem->name = "coherent";
	mem->memtype = UIO_MEM_DMA_COHERENT;
	mem->addr = (uintptr_t)memory;
	mem->size = COHERENT_BYTES;
	mem->dma_device = dev;
	return 0;
}

static int lab_uio_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct lab_uio *lab = devm_kzalloc(dev, sizeof(*lab), GFP_KERNEL);
	int ret;

	if (!lab)
		return -ENOMEM;
	spin_lock_init(&lab->lock);
	platform_set_drvdata(pdev, lab);
	ret = add_logical(dev, &lab->info.mem[0]);
	if (!ret)
		ret = add_virtual(dev, &lab->info.mem[1]);
	if (!ret)
		ret = add_coherent(dev, &lab->info.mem[2]);
	if (ret)
		return ret;

	lab->info.name = "lab_uio";
	lab->info.version = "1";
	lab->info.port[0].name = "cmos";
	lab->info.port[0].start = 0x70;
	lab->info.port[0].size = 2;
	lab->info.port[0].porttype = UIO_PORT_X86;
	lab->info.irq = UIO_IRQ_CUSTOM;
	lab->info.irqcontrol = lab_uio_irqcontrol;
	lab->info.priv = lab;
	return devm_uio_register_device(dev, &lab->info);
}

static int lab_uio_silent_probe(struct platform_device *pdev)
{
	struct uio_info *info = devm_kzalloc(&pdev->dev, sizeof(*info), GFP_KERNEL);

	if (!info)
		return -ENOMEM;
	info->name = "lab_uio_silent";
	info->version = "1";
	info->irq = UIO_IRQ_NONE;
	return devm_uio_register_device(&pdev->dev, info);
}

static struct platform_driver lab_uio_driver = {
	.probe = lab_uio_probe,
	.driver = { .name = "lab_uio", .dev_groups = lab_uio_groups },
};

static struct platform_driver lab_uio_silent_driver = {
	.probe = lab_uio_silent_probe,
	.driver = { .name = "lab_uio_silent" },
};

static struct platform_driver *const drivers[] = { &lab_uio_driver, &lab_uio_silent_driver };
static struct platform_device *devices[ARRAY_SIZE(drivers)];

static void lab_uio_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(devices); i++)
		platform_device_unregister(devices[i]);
	platform_unregister_drivers(drivers, ARRAY_SIZE(drivers));
}

static int __init lab_uio_init(void)
{
	unsigned int i;
	int ret = platform_register_drivers(drivers, ARRAY_SIZE(drivers));

	if (ret)
		return ret;
	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		struct platform_device *device;

		device = platform_device_register_simple(drivers[i]->driver.name, PLATFORM_DEVID_NONE, NULL, 0);
		if (IS_ERR(device)) {
			lab_uio_exit();
			return PTR_ERR(device);
		}
		devices[i] = device;
	}
	return 0;
}

module_init(lab_uio_init);
module_exit(lab_uio_exit);
MODULE_DESCRIPTION("UIO devices without hardware, for the lab");
MODULE_LICENSE("GPL");
