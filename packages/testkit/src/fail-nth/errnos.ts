import type { ErrnoName } from '../errors'

/** A new descriptor, of whatever kind. */
const descriptor = ['EMFILE', 'ENFILE', 'ENOMEM'] as const

/**
 * What Linux 6.12 answers to calls that are rightly made: what the manual pages and the drivers have, less what only a wrong
 * argument comes to, and what only a fatal signal does. A call that is not here always succeeds, but for an ioctl.
 *
 * close(2) is not: no file of these packages has a flush operation, and the descriptor is gone whatever it says.
 */
const errnos: Readonly<Record<string, readonly ErrnoName[]>> = {
  'fcntl(F_DUPFD_CLOEXEC)': ['EMFILE', 'ENOMEM'],
  'fcntl(F_ADD_SEALS)': ['EPERM', 'EBUSY', 'EINVAL'],
  'fcntl(F_GET_SEALS)': ['EINVAL'],
  read: ['EIO', 'EAGAIN'],
  pread: ['EIO', 'EINVAL', 'ENOMEM'],
  write: ['EIO', 'EAGAIN', 'EINVAL'],
  pwrite: ['EIO', 'EINVAL', 'ENOMEM'],
  eventfd: descriptor,
  poll: ['ENOMEM'],
  epoll_ctl: ['ENOMEM', 'ENOSPC', 'EPERM'],
  memfd_create: [...descriptor, 'EACCES', 'EPERM', 'EINVAL', 'ENODEV'],
  mmap: ['ENOMEM', 'EAGAIN', 'EACCES', 'EPERM', 'EBUSY', 'ENODEV', 'EINVAL'],
  mlock: ['ENOMEM', 'EPERM', 'EAGAIN'],
  munlock: ['ENOMEM'],
  io_uring_setup: ['EPERM', 'ENOSYS', ...descriptor],
  io_uring_register: ['ENOMEM', 'EFAULT', 'ENOTSUP'],
  scandir: ['ENOENT', 'EACCES', 'ENOTDIR', 'EMFILE', 'ENOMEM'],
  readlink: ['ENOENT', 'EACCES', 'EINVAL', 'ENOMEM'],
  unlink: ['ENOENT', 'EACCES', 'EPERM', 'EROFS'],
  socketpair: descriptor,
  socket: [...descriptor, 'EACCES', 'ENOBUFS'],
  bind: ['EADDRINUSE', 'EACCES', 'ENOENT', 'ENOTDIR', 'EROFS', 'ENOMEM'],
  listen: ['EADDRINUSE', 'EMFILE'],
  connect: ['ECONNREFUSED', 'EACCES', 'ENOENT', 'EAGAIN', 'EPROTOTYPE', 'EINTR'],
  accept4: ['EAGAIN', 'ECONNABORTED', 'EPERM', ...descriptor],
  sendmsg: ['EAGAIN', 'EPIPE', 'ECONNRESET', 'ENOBUFS', 'ENOMEM', 'ETOOMANYREFS'],
  recvmsg: ['EAGAIN', 'ECONNRESET', 'EMFILE', 'ENOMEM'],
  pidfd_open: ['ESRCH', 'EINVAL', 'ENODEV', ...descriptor],
  pidfd_getfd: ['EPERM', 'ESRCH', 'EBADF', 'EMFILE'],
  dma_alloc_coherent: ['ENOMEM'],
  'ioctl(VFIO_SET_IOMMU)': ['EPERM', 'ENODEV', 'EBUSY', 'ENOMEM', 'EINVAL'],
  'ioctl(VFIO_GROUP_GET_STATUS)': ['ENODEV'],
  'ioctl(VFIO_GROUP_SET_CONTAINER)': ['EINVAL', 'EPERM', 'EBUSY', 'ENODEV', 'ENOMEM'],
  'ioctl(VFIO_GROUP_UNSET_CONTAINER)': ['EBUSY', 'EINVAL'],
  'ioctl(VFIO_GROUP_GET_DEVICE_FD)': [...descriptor, 'ENODEV', 'EPERM', 'EBUSY', 'EIO', 'EINVAL'],
  'ioctl(VFIO_DEVICE_GET_INFO)': ['ENOMEM', 'EIO', 'EINVAL'],
  'ioctl(VFIO_DEVICE_GET_REGION_INFO)': ['ENOMEM', 'EIO', 'EINVAL'],
  'ioctl(VFIO_DEVICE_GET_IRQ_INFO)': ['EIO', 'EINVAL'],
  'ioctl(VFIO_DEVICE_SET_IRQS)': ['ENOMEM', 'ENOSPC', 'EBUSY', 'EIO', 'EINVAL'],
  'ioctl(VFIO_DEVICE_RESET)': ['EAGAIN', 'ENOTTY', 'EIO', 'EINVAL'],
  'ioctl(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO)': ['ENODEV', 'ENOSPC', 'ENOMEM'],
  'ioctl(VFIO_DEVICE_PCI_HOT_RESET)': ['EPERM', 'EAGAIN', 'ENOMEM', 'EINVAL'],
  'ioctl(VFIO_DEVICE_FEATURE)': ['ENOTTY', 'EINVAL', 'ENODEV', 'ENOMEM'],
  'ioctl(VFIO_IOMMU_GET_INFO)': ['ENOMEM', 'EINVAL'],
  'ioctl(VFIO_IOMMU_MAP_DMA)': ['ENOMEM', 'ENOSPC', 'EEXIST', 'EFAULT', 'EBUSY', 'EINVAL'],
  'ioctl(VFIO_IOMMU_UNMAP_DMA)': ['EINVAL', 'ENOMEM', 'EBUSY'],
  'ioctl(VFIO_IOMMU_DIRTY_PAGES)': ['EINVAL', 'ENOMEM'],
  'ioctl(UDMABUF_CREATE)': ['EBADFD', 'EINVAL', ...descriptor],
  'ioctl(UDMABUF_CREATE_LIST)': ['EBADFD', 'EINVAL', ...descriptor],
  'ioctl(DMA_BUF_IOCTL_SYNC)': ['EINTR', 'EAGAIN', 'ENOMEM', 'EINVAL'],
  'ioctl(DMA_BUF_SET_NAME)': ['ENOMEM', 'EINVAL'],
  'ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE)': [...descriptor, 'ENOTTY'],
  'ioctl(DMA_BUF_IOCTL_IMPORT_SYNC_FILE)': ['ENOMEM', 'EINVAL', 'ENOTTY'],
  'ioctl(DMA_HEAP_IOCTL_ALLOC)': ['EINTR', 'EINVAL', ...descriptor],
  'ioctl(SYNC_IOC_MERGE)': [...descriptor, 'ENOENT'],
  'ioctl(SYNC_IOC_FILE_INFO)': ['ENOMEM', 'EINVAL'],
  'ioctl(U_DMA_BUF_IOCTL_SET_SYNC)': ['EINVAL', 'EFAULT'],
  'ioctl(U_DMA_BUF_IOCTL_EXPORT)': [...descriptor, 'EINVAL', 'ENOTTY'],
}

/** Requests that answer whatever they are asked. */
const neverFail = new Set([
  'ioctl(VFIO_GET_API_VERSION)',
  'ioctl(VFIO_CHECK_EXTENSION)',
  'ioctl(U_DMA_BUF_IOCTL_GET_DEV_INFO)',
  'ioctl(U_DMA_BUF_IOCTL_GET_SYNC_OWNER)',
])

/** What every driver answers to a request that it does not know: all that is sure of one that is not here. */
const unknownRequest: readonly ErrnoName[] = ['ENOTTY']

const openAny = ['ENOENT', 'EACCES', ...descriptor] as const

/** What open(2) answers, by where the file is: the first that fits. */
const opens: readonly (readonly [RegExp, readonly ErrnoName[]])[] = [
  [/^\/dev\/vfio\/\d/, [...openAny, 'EBUSY', 'EPERM', 'ENODEV', 'ENXIO']],
  [/^\/dev\/uio/, [...openAny, 'ENODEV', 'ENXIO', 'EBUSY']],
  [/^\/dev\//, [...openAny, 'ENXIO', 'ENODEV', 'EPERM']],
  // Its text is read, too, by whom this is called for a whole file.
  [/^\/sys\//, [...openAny, 'ENODEV', 'EIO', 'EPERM']],
  [/^\/proc\//, [...openAny, 'ESRCH', 'EPERM', 'EIO']],
]

/** What a driver answers to what is written into its file in sysfs. */
const attributeWrites: readonly ErrnoName[] = [
  ...['ENOENT', 'EACCES', 'EPERM', 'EMFILE', 'ENOMEM'],
  ...['EINVAL', 'EBUSY', 'ENODEV', 'EIO', 'EEXIST'],
] as const

/**
 * The errnos that Linux can answer a system call with which is rightly made; none where it always succeeds. An ioctl of a driver that
 * is not known here: ENOTTY, as a kernel answers that lacks it. What else such a driver answers, the option `errnos` takes.
 * @param call its name as errors have it, and the file that it names
 * @example
 * ```ts
 * linuxErrnos({ syscall: 'mlock' }) // ['ENOMEM', 'EPERM', 'EAGAIN']
 * ```
 */
export function linuxErrnos({
  syscall,
  path,
}: {
  readonly syscall: string
  readonly path?: string | undefined
}): readonly string[] {
  if (syscall === 'open') return opens.find(([place]) => place.test(path ?? ''))?.[1] ?? openAny
  if (syscall === 'write' && path !== undefined) return attributeWrites
  const known = Object.hasOwn(errnos, syscall) ? errnos[syscall] : undefined
  if (known !== undefined) return known
  return syscall.startsWith('ioctl(') && !neverFail.has(syscall) ? unknownRequest : []
}
