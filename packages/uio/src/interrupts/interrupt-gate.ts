import { DmaError, isDmaError } from '@linux-dma/core'
import type { UioConnection } from '../device/connection'
import { UIO_PCI_GENERIC } from '../discovery/drivers'

/** What lets a device's interrupts through, and holds them back. */
export interface InterruptGate {
  open(): void
  shut(): void
  /** Leaves it to the next program as it was found, where that can be known; else shut. */
  leave(): void
}

/** Whether a device's interrupts are those of its pin, held back in the device itself. */
export function hasPinGate({ info }: UioConnection): boolean {
  return info.driver === UIO_PCI_GENERIC && info.pci !== undefined
}

/**
 * Opens whatever holds a device's interrupts back, since whoever used it before may have left it shut: bit 10 of PCI_COMMAND
 * for uio_pci_generic, else the driver's irqcontrol().
 * @returns undefined for a driver that holds none back
 * @throws EACCES where configuration space may not be written; DMA_DEVICE_GONE; what the driver answers
 */
export function openGate(connection: UioConnection): InterruptGate | undefined {
  if (hasPinGate(connection)) {
    const gate = pinGate(connection, connection.config.intxDisabled)
    // Shut first: a pin that has been asserted since before its driver was bound is seen only when it is let through anew.
    gate.shut()
    gate.open()
    return gate
  }
  const gate = irqcontrolGate(connection)
  try {
    gate.open()
  } catch (error) {
    if (isDmaError(error, 'ENOSYS')) return undefined
    throw error
  }
  return gate
}

function pinGate(connection: UioConnection, foundShut: boolean): InterruptGate {
  const { config } = connection
  return {
    open() {
      config.intxDisabled = false
    },
    shut() {
      config.intxDisabled = true
    },
    leave() {
      config.intxDisabled = foundShut
    },
  }
}

/** Mirrors write(2) of a UIO node, which calls the driver's irqcontrol(). */
function irqcontrolGate(connection: UioConnection): InterruptGate {
  const write = (on: number) => {
    const { kernel, fd } = connection
    try {
      kernel.write(fd, new Uint8Array(new Int32Array([on]).buffer))
    } catch (error) {
      // The errno of a device that is gone is another one's too.
      connection.assertPresent()
      throw error
    }
  }
  const shut = () => write(0)
  return { open: () => write(1), shut, leave: shut }
}

/** @throws DMA_UNSUPPORTED where the driver has no irqcontrol() */
export function assertGate(gate: InterruptGate | undefined, name: string): asserts gate is InterruptGate {
  if (gate !== undefined) return
  throw new DmaError('DMA_UNSUPPORTED', `the driver ${name} has no way to hold interrupts back`, {
    hint: 'mask them in the device’s own registers',
  })
}
