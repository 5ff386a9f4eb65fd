import { linuxKernel } from '@linux-dma/native'
import type { Reference } from '../../reference'
import type { Row } from '../../row'
import { cpuAccessRows } from './cpu-access-rows'
import { leakRows } from './leak-rows'
import { sharingRows } from './sharing-rows'
import { udmabufRows } from './udmabuf-rows'

/** What dma-bufs cost on a kernel that has them. No device is needed. */
export function dmaBufRows(reference: Reference): Row[] {
  const kernel = linuxKernel()
  return [
    ...udmabufRows(kernel, reference),
    ...cpuAccessRows(kernel, reference),
    ...sharingRows(kernel, reference),
    ...leakRows(kernel),
  ]
}
