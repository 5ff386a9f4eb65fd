import { parseArgs } from 'node:util'
import { type Kernel, linuxKernel } from '@linux-dma/core'
import { createFakeMachine, E1000Device } from '@linux-dma/testkit'
import { calibrate } from './calibrate'
import { demonstrate } from './demonstrate'

const usage = `usage: rx-ring [--fake | --vfio ADDRESS] [--calibrate]

  --fake          a fake card in a fake machine: runs anywhere (default)
  --vfio ADDRESS  a real one, bound to vfio-pci, for example 0000:00:09.0
  --calibrate     only measure up to which length copying is cheaper than mapping another buffer`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      fake: { type: 'boolean' },
      vfio: { type: 'string' },
      calibrate: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return console.log(usage)
  const { kernel, address } =
    values.vfio === undefined ? fakeMachine() : { kernel: linuxKernel(), address: values.vfio }
  if (values.calibrate) return calibrate(kernel, address, console.log)
  await demonstrate(kernel, address, console.log)
}

function fakeMachine(): { kernel: Kernel; address: string } {
  const machine = createFakeMachine()
  const { address } = machine.addDevice(new E1000Device(), { address: '0000:00:09.0', driver: 'vfio-pci' })
  return { kernel: machine.kernel, address }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
