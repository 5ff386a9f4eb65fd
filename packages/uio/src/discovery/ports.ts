import type { Kernel } from '@linux-dma/core'
import { numbersIn, readNumber, readOptional } from './sysfs'
import type { UioPortInfo } from './uio-device-info'

/** Reads `portio/` of a UIO device, which is there only if it has ports. */
export function readPorts(kernel: Kernel, folder: string): UioPortInfo[] {
  return numbersIn(kernel, `${folder}/portio`, 'port').map((index) => {
    const port = `${folder}/portio/port${index}`
    return {
      index,
      name: readOptional(kernel, `${port}/name`) ?? '',
      start: readNumber(kernel, `${port}/start`),
      size: readNumber(kernel, `${port}/size`),
      type: kernel.readText(`${port}/porttype`).trim(),
    }
  })
}
