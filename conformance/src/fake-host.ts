import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import type { Host } from './host'
import { runScenario } from './scenarios'

const EDU = '0000:00:04.0'

/** A fake machine with what the suites need. */
export function fakeHost(): Host {
  const machine = eduMachine()
  return {
    name: 'fake',
    kernel: machine.kernel,
    edu: EDU,
    shared: { first: '0000:00:1f.2', second: '0000:00:1f.3', otherDriver: 'uio_pci_generic' },
    asUser: async (scenario, { ownsGroup, memlockBytes }) => {
      const user = eduMachine({ uid: 1000, memlockLimit: memlockBytes })
      if (ownsGroup) user.chown(user.groupNode(EDU), 1000)
      return runScenario(scenario, user.kernel, EDU)
    },
  }
}

function eduMachine(
  options: Parameters<typeof createFakeMachine>[0] = {},
): ReturnType<typeof createFakeMachine> {
  const machine = createFakeMachine({ seed: 1, ...options })
  machine.addDevice(new EduDevice(), { address: EDU, driver: 'vfio-pci' })
  for (const address of ['0000:00:1f.2', '0000:00:1f.3']) {
    machine.addDevice(new EduDevice(), { address, driver: null, group: 3 })
  }
  return machine
}
