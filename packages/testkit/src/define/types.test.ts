import { expect, expectTypeOf, it } from 'vitest'
import { defineDevice } from './define-device'
import { defineStruct } from './struct-layout'
import type { DeviceRegister } from './typed-device'

const typed = defineDevice(
  {
    name: 'typed',
    identity: { vendor: 1, device: 2 },
    bars: [
      {
        byteLength: 64,
        registers: {
          status: { offset: 0, width: 32, fields: { done: 0, size: { bits: [1, 3] } } },
          address: { offset: 8, width: 64 },
        },
        windows: { buffer: { offset: 16, byteLength: 8 } },
      },
      { byteLength: 64, registers: { doorbell: { offset: 0, width: 16, count: 2 } } },
    ],
  },
  ({ registers }, step: number, times?: number) => ({
    onWrite: {
      status: (written, { previous }) => {
        expectTypeOf([written, previous]).toEqualTypeOf<number[]>()
      },
      address: (written) => {
        expectTypeOf(written).toEqualTypeOf<bigint>()
      },
    },
    side: { add: () => (registers.status.value += step * (times ?? 1)) },
  }),
)

it('knows names and kinds of values from the description', () => {
  const device = typed(3)
  expectTypeOf(typed).parameters.toEqualTypeOf<[step: number, times?: number]>()
  expectTypeOf<keyof typeof device.registers>().toEqualTypeOf<'status' | 'address' | 'doorbell'>()
  expectTypeOf(device.registers.status).toEqualTypeOf<DeviceRegister<number, 'done' | 'size'>>()
  expectTypeOf(device.registers.address).toEqualTypeOf<DeviceRegister<bigint, never>>()
  expectTypeOf(device.registers.doorbell).toEqualTypeOf<readonly DeviceRegister<number, never>[]>()
  expectTypeOf<keyof typeof device.windows>().toEqualTypeOf<'buffer'>()
  expectTypeOf(device.side.add).returns.toEqualTypeOf<number>()
  device.side.add()
  expect(device.registers.status.fields).toEqual({ done: 1, size: 1 })
})

it('knows the fields of a structure', () => {
  const layout = defineStruct({
    byteLength: 16,
    fields: { address: { offset: 0, width: 64 }, length: { offset: 8, width: 32 } },
  })
  const values = layout.decode(new Uint8Array(16))
  expectTypeOf(values).toEqualTypeOf<{ address: bigint; length: number }>()
  expect(values).toEqual({ address: 0n, length: 0 })
})
