import { parseArgs } from 'node:util'
import { linuxKernel } from '@linux-dma/core'
import { createFakeMachine, E1000Device } from '@linux-dma/testkit'
import { demonstrate } from './demonstrate'

const usage = `usage: rx-ring [--fake | --vfio ADDRESS]

  --fake          a fake card in a fake machine: runs anywhere (default)
  --vfio ADDRESS  a real one, bound to vfio-pci, for example 0000:00:09.0`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { fake: { type: 'boolean' }, vfio: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) return console.log(usage)
  if (values.vfio !== undefined) return demonstrate(linuxKernel(), values.vfio, console.log)
  const machine = createFakeMachine()
  machine.addDevice(new E1000Device(), { address: '0000:00:09.0', driver: 'vfio-pci' })
  await demonstrate(machine.kernel, '0000:00:09.0', console.log)
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
