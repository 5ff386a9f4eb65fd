// SPDX-License-Identifier: GPL-2.0
/*
 * Makes a platform device of QEMU's edu device, with its registers and its interrupt line as resources, so that the
 * kernel's UIO drivers for platform devices have something to drive. It takes a device by driver_override only.
 */
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/platform_data/uio_dmem_genirq.h>
#include <linux/platform_device.h>
#include <linux/uio_driver.h>

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8

static char *driver = "uio_pdrv_genirq";
module_param(driver, charp, 0644);
MODULE_PARM_DESC(driver, "the driver of edu's bound from now on: uio_pdrv_genirq or uio_dmem_genirq");

static DEFINE_IDA(numbers);
static unsigned int region_bytes[] = { 16384, 65536 };
static const struct uio_info edu_info = { .name = "edu", .version = "1" };

static const char *const drivers[] = { "uio_pdrv_genirq", "uio_dmem_genirq" };

/* The name in `drivers` that the parameter holds, which ends in a newline where sysfs wrote it. */
static const char *wanted_driver(void)
{
	const char *name = NULL;
	int i;

	kernel_param_lock(THIS_MODULE);
	i = __sysfs_match_string(drivers, ARRAY_SIZE(drivers), driver);
	if (i >= 0)
		name = drivers[i];
	kernel_param_unlock(THIS_MODULE);
	return name;
}

static int override_driver(struct platform_device *device, const char *name)
{
#ifdef DEVICE_HAS_DRIVER_OVERRIDE
	return device_set_driver_override(&device->dev, name);
#else
	return driver_set_override(&device->dev, &device->driver_override, name, strlen(name));
#endif
}

/* Both drivers write into the data that they are given: each device has its own copy. */
static int add_driver_data(struct platform_device *device, const char *name)
{
	struct uio_dmem_genirq_pdata regions = {
		.uioinfo = edu_info,
		.dynamic_region_sizes = region_bytes,
		.num_dynamic_regions = ARRAY_SIZE(region_bytes),
	};
	int ret = override_driver(device, name);

	if (ret)
		return ret;
	if (name == drivers[0])
		return platform_device_add_data(device, &edu_info, sizeof(edu_info));
	return platform_device_add_data(device, &regions, sizeof(regions));
}

static int add_resources(struct platform_device *device, struct pci_dev *edu)
{
	struct resource resources[] = {
		DEFINE_RES_MEM(pci_resource_start(edu, 0), pci_resource_len(edu, 0)),
		DEFINE_RES_IRQ(edu->irq),
	};

	resources[0].parent = &edu->resource[0];
	return platform_device_add_resources(device, resources, ARRAY_SIZE(resources));
}

static void free_number(void *number)
{
	ida_free(&numbers, (uintptr_t)number);
}

static void unregister(void *device)
{
	platform_device_unregister(device);
}

static int edu_probe(struct pci_dev *edu, const struct pci_device_id *id)
{
	const char *name = wanted_driver();
	struct platform_device *device;
	int number, ret;

	if (edu->vendor != EDU_VENDOR || edu->device != EDU_DEVICE)
		return -ENODEV;
	if (!name)
		return -EINVAL;
	ret = pcim_enable_device(edu);
	if (ret)
		return ret;
	pci_set_master(edu);

	number = ida_alloc(&numbers, GFP_KERNEL);
	if (number < 0)
		return number;
	ret = devm_add_action_or_reset(&edu->dev, free_number, (void *)(uintptr_t)number);
	if (ret)
		return ret;
	device = platform_device_alloc("edu", number);
	if (!device)
		return -ENOMEM;
	ret = add_resources(device, edu);
	if (!ret)
		ret = add_driver_data(device, name);
	if (!ret)
		ret = dma_set_mask_and_coherent(&device->dev, DMA_BIT_MASK(32));
	if (!ret)
		ret = platform_device_add(device);
	if (ret) {
		platform_device_put(device);
		return ret;
	}
	return devm_add_action_or_reset(&edu->dev, unregister, device);
}

static void edu_remove(struct pci_dev *edu)
{
	pci_clear_master(edu);
}

static struct pci_driver edu_driver = {
	.name = "lab_edu_platform",
	.probe = edu_probe,
	.remove = edu_remove,
};
module_pci_driver(edu_driver);
MODULE_DESCRIPTION("QEMU's edu device as a platform device, for the lab");
MODULE_LICENSE("GPL");
