import { isDmaError, type Kernel } from '@linux-dma/core'
import { readUioDevice } from '../discovery/list-devices'
import type { UioDeviceInfo } from '../discovery/uio-device-info'
import { deviceGone } from './device-gone'

/** @throws DMA_DEVICE_GONE where it is not the device that was found: numbers are given again */
export function readAgain(kernel: Kernel, found: UioDeviceInfo): UioDeviceInfo {
  let info: UioDeviceInfo
  try {
    info = readUioDevice(kernel, found.node)
  } catch (error) {
    throw isDmaError(error, 'DMA_NO_DEVICE') ? deviceGone(found.node, error) : error
  }
  if (info.devicePath === found.devicePath && info.name === found.name) return info
  throw deviceGone(found.node)
}
