import { DmaError } from '@linux-dma/native'
import { checkInteger } from '../arguments'
import { invalidArgument } from '../errors'
import { DeviceModel } from '../models/device-model'
import type { PlatformBus } from '../platform/bus'
import { PlatformDevice } from '../platform/device'
import { type CustomDriverParts, CustomUioDriver } from './custom-driver'
import { checkUioInfo, type UioInfo } from './info'

/** A UIO device of a driver that a test wrote, as the driver has it. */
export interface FakeUio {
  /** `uio0`, say: changes when the driver is unbound and bound again. @throws `DMA_CLOSED` while it is not registered */
  readonly name: string
  /** uio_event_notify(), `count` times: 1 by default, 0 to 2^32-1. A million cost as much as one. @throws `DMA_CLOSED` */
  notify(count?: number): void
  /** uio_unregister_device(): open files stay open, and answer with errors. Idempotent. */
  unregister(): void
  /**
   * The driver's own view of a map's memory. Ask for it each time: it moves when a program unmaps the memory.
   * @throws `DMA_INVALID_ARGUMENT` for a map that is no memory
   */
  bytes(mapIndex: number): Uint8Array
  /** Bus address of a coherent map's memory. @throws `DMA_INVALID_ARGUMENT` for a map that has none */
  dmaAddress(mapIndex: number): number
}

/** What registering needs of the machine. */
export interface RegisterParts extends CustomDriverParts {
  readonly platform: PlatformBus
}

/** A device that is nothing but its driver. */
class NoHardware extends DeviceModel {
  override readonly identity = { vendor: 0, device: 0 }

  override read(): number {
    return 0
  }

  override write(): void {}
}

/** What `machine.registerUio()` does. @throws `DMA_INVALID_ARGUMENT`, and what fails in the kernel */
export function registerUio(given: UioInfo, parts: RegisterParts): FakeUio {
  checkUioInfo(given, parts.uio.dmaMemory)
  const info = { ...given }
  const { platform } = parts
  const name = info.parent ?? info.name
  const known = platform.driver(name)
  if (known !== undefined && !(known instanceof CustomUioDriver)) {
    invalidArgument(`a driver of this kernel is called '${name}'`, 'give the device another name')
  }
  const found = platform.find(name)
  if (found?.driver !== undefined) {
    if (known?.uio !== undefined) invalidArgument(`'${name}' is registered already`)
    if (known === undefined) invalidArgument(`the platform device '${name}' has a driver already`)
    platform.unbind(found)
  }
  const device = found ?? platform.addDevice(name, new NoHardware(), false, undefined)
  const models = (info.mem ?? []).map(
    ({ model }) => model && new PlatformDevice(name, model, device.dma, true, undefined, platform.parts),
  )
  const driver = new CustomUioDriver(name, info, models, parts)
  platform.registerDriver(driver)
  platform.bind(driver, device)
  return handleOf(driver, device)
}

function handleOf(driver: CustomUioDriver, device: PlatformDevice): FakeUio {
  const registered = () => {
    if (driver.uio !== undefined) return driver.uio
    throw new DmaError('DMA_CLOSED', `the UIO device of '${device.address}' is unregistered`)
  }
  return {
    get name() {
      return registered().name
    },
    notify: (count = 1) => registered().notify(checkInteger(count, 'count', 0, 0xffff_ffff)),
    unregister: () => driver.unregister(device),
    bytes: (mapIndex) => driver.bytes(mapIndex),
    dmaAddress: (mapIndex) => driver.dmaAddress(mapIndex),
  }
}
