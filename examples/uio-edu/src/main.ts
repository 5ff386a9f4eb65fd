import { parseArgs } from 'node:util'
import { linuxKernel } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { demonstrate } from './demonstrate'

const usage = `usage: uio-edu [--fake | --uio ADDRESS]
  --fake         a fake device in a fake machine: runs anywhere (default)
  --uio ADDRESS  a real one, for example 0000:00:04.0, where no IOMMU translates for it; needs root`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { fake: { type: 'boolean' }, uio: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) return console.log(usage)
  if (values.uio !== undefined) return demonstrate(linuxKernel(), values.uio, console.log)
  const machine = createFakeMachine({ iommu: 'off', hugePages: 8 })
  machine.addDevice(new EduDevice(), { address: '0000:00:04.0', driver: null })
  await demonstrate(machine.kernel, '0000:00:04.0', console.log)
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
