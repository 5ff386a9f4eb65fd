import { describe, expect, it } from 'vitest'
import { findCrashes, findDmaFaults, parseKernelLog } from './kernel-log.mjs'

describe('parseKernelLog', () => {
  it('writes records as dmesg does and drops what only names the device again', () => {
    const text = '6,339,5140900,-;NET: Registered; twice\n SUBSYSTEM=net\n30,340,5690716,-;udevd: ready\n'
    expect(parseKernelLog(text)).toEqual([
      '[    5.140900] NET: Registered; twice',
      '[    5.690716] udevd: ready',
    ])
  })
})

describe('findDmaFaults and findCrashes', () => {
  const fault =
    '[    4.000000] DMAR: [DMA Read NO_PASID] Request device [00:01.0] fault addr 0x1000 [fault reason 0x06]'
  const crash = '[    4.000001] BUG: kernel NULL pointer dereference, address: 0000000000000008'
  const boring = '[    0.200883] DMAR: dmar0: reg_base_addr fed90000 ver 1:0'

  it('tell a stopped device from a crashed kernel, and both from the rest', () => {
    expect(findDmaFaults([fault, crash, boring])).toEqual([fault])
    expect(findCrashes([fault, crash, boring])).toEqual([crash])
  })
})
