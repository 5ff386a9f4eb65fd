/** Where the guest's edu device is: `DOMAIN:BUS:DEVICE.FUNCTION`. */
export const eduAddress = '0000:00:04.0'
/** Where its e1000 network card is. */
export const e1000Address = '0000:00:09.0'
/** Where a second edu device is, of 64 address bits, alone on its interrupt line. */
export const secondEduAddress = '0000:00:0a.0'

/** Words of the kernel's command line that every machine has. */
const KERNEL_WORDS = ['console=ttyS0', 'quiet', 'intel_iommu=on', 'no_timer_check', 'panic=-1']

/** The channels of the guest apart from its console, each a virtio port of that name. */
export const ports = /** @type {const} */ (['lab.output', 'lab.errors', 'lab.kernel-log'])

/**
 * Writes QEMU's command line.
 * @param {object} machine
 * @param {string} machine.kernel file
 * @param {string} machine.initrd file
 * @param {string} machine.memory as in `2G`
 * @param {string[]} machine.devices further devices, as QEMU writes them
 * @param {boolean} machine.interruptRemapping whether the IOMMU checks interrupts
 * @param {string[]} machine.append further words of the kernel's command line
 * @param {string | undefined} machine.console file to write the console to; undefined: the terminal
 * @param {(port: string) => string} machine.socket the Unix socket that listens for a port
 * @returns {string[]}
 */
export function qemuArguments({
  kernel,
  initrd,
  memory,
  devices,
  interruptRemapping,
  append,
  console,
  socket,
}) {
  return [
    ...['-M', 'q35,kernel-irqchip=off'],
    ...['-accel', 'tcg,thread=multi'],
    // cmpxchg16b returns wrong flags under QEMU 7.2's multi-threaded emulation: the guest would oops within a second.
    ...['-cpu', 'Haswell-noTSX,-cx16,-pcid,-x2apic,-tsc-deadline,-invpcid'],
    ...['-smp', '2', '-m', memory],
    ...['-nodefaults', '-display', 'none', '-no-reboot'],
    // The IOMMU comes before what it is to translate for.
    ...['-device', `intel-iommu,intremap=${interruptRemapping ? 'on' : 'off'}`],
    ...['-device', 'edu,addr=4', '-device', 'ich9-ahci,id=ahci,addr=5', '-device', 'pci-testdev,addr=6'],
    // A disk of zeros. What is written to it is kept in a file that has no name, as long as the machine runs.
    ...['-drive', 'if=none,id=disk,driver=null-co,size=1M,read-zeroes=on,snapshot=on'],
    ...['-device', 'ide-hd,drive=disk,bus=ahci.0,serial=lab-disk'],
    ...['-device', 'nvme,serial=lab,addr=8'],
    // Connected to nothing: it hears itself in loopback. Its boot ROM is a file that QEMU may not find.
    ...['-device', 'e1000,addr=9,romfile='],
    // Of the slots in use, only that of pci-testdev, which has no interrupt, leads to the same line.
    ...['-device', 'edu,addr=a,dma_mask=0xffffffffffffffff'],
    ...['-object', 'memory-backend-ram,id=ivshmem,size=1M,share=on'],
    ...['-device', 'ivshmem-plain,memdev=ivshmem,addr=b'],
    ...['-device', 'e1000e,addr=c,romfile='],
    ...['-device', 'virtio-serial-pci,addr=1d'],
    ...ports.flatMap((port, index) => [
      ...['-chardev', `socket,id=port${index},path=${escapeComma(socket(port))}`],
      ...['-device', `virtserialport,chardev=port${index},name=${port}`],
    ]),
    ...devices.flatMap((device) => ['-device', device]),
    ...(console === undefined
      ? ['-chardev', 'stdio,id=console,mux=on,signal=off', '-mon', 'chardev=console']
      : ['-monitor', 'none', '-chardev', `file,id=console,path=${escapeComma(console)}`]),
    ...['-serial', 'chardev:console'],
    ...['-kernel', kernel, '-initrd', initrd],
    // The kernel's test of the timer interrupt waits for so long in emulated time: on a busy host it fails, and panics.
    ...['-append', [...KERNEL_WORDS, ...append].join(' ')],
  ]
}

/** A comma in a value is written twice. @param {string} value */
function escapeComma(value) {
  return value.replaceAll(',', ',,')
}
