import { createFakeMachine } from '@linux-dma/testkit'
import { expect, it } from 'vitest'
import { createUdmabuf } from '../index'

it('says what kernel it takes where there are no sync files', () => {
  const machine = createFakeMachine()
  const { kernel } = machine
  using buffer = createUdmabuf({ size: 4096, kernel })
  using other = createUdmabuf({ size: 4096, kernel })
  using file = buffer.exportSyncFile('read')
  const refused = expect.objectContaining({
    code: 'ENOTTY',
    hint: expect.stringContaining('CONFIG_SYNC_FILE'),
  })
  machine.failCall({ syscall: 'ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE)', code: 'ENOTTY' })
  expect(() => buffer.exportSyncFile('read')).toThrow(refused)
  machine.failCall({ syscall: 'ioctl(DMA_BUF_IOCTL_IMPORT_SYNC_FILE)', code: 'ENOTTY' })
  expect(() => other.importSyncFile(file, 'read')).toThrow(refused)
})
