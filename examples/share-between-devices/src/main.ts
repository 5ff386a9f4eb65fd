import { parseArgs } from 'node:util'
import { dmaBitMask, type Kernel, linuxKernel } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { type Devices, demonstrate } from './demonstrate'

const usage = `usage: share-between-devices [--fake | --vfio ADDRESS --vfio ADDRESS]

  --fake          two fake devices in a fake machine: runs anywhere (default)
  --vfio ADDRESS  a real edu device that is bound to vfio-pci, such as 0000:00:04.0; twice, the one with 64 address
                  lines second`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      fake: { type: 'boolean' },
      vfio: { type: 'string', multiple: true },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return console.log(usage)
  const { kernel, devices } = values.vfio ? realMachine(values.vfio) : fakeMachine()
  await demonstrate(kernel, devices, console.log)
}

function realMachine([first, second, ...more]: readonly string[]): { kernel: Kernel; devices: Devices } {
  if (first === undefined || second === undefined || more.length > 0) throw new Error(usage)
  return { kernel: linuxKernel(), devices: { first, second } }
}

function fakeMachine(): { kernel: Kernel; devices: Devices } {
  const machine = createFakeMachine()
  const devices = { first: '0000:00:04.0', second: '0000:00:0a.0' }
  machine.addDevice(new EduDevice(), { address: devices.first })
  machine.addDevice(new EduDevice({ dmaMask: dmaBitMask(64) }), { address: devices.second })
  return { kernel: machine.kernel, devices }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
