const imports = `
  import { Worker, isMainThread, parentPort } from 'node:worker_threads'
  import { linuxKernel } from '@linux-dma/core'
  import {
    allocateFromHeap, createUdmabuf, dmaBufGet, dmaBufOfProcess, exportDmaBuf, importDmaBuf, receiveDmaBuf, sendDmaBuf,
  } from '@linux-dma/udmabuf'
  const kernel = linuxKernel()
  const first = (buffer) => buffer.cpuAccess('read', (bytes) => bytes.subarray(0, 4).join())
`

/** What the other side of a shared buffer runs, where that is JavaScript. A test's own buffer begins with 1, 2, 3, 4. */
export const dmaBufPrograms = {
  /** Takes a buffer from whoever listens, writes to it, and sends one of its own back. */
  overPath: (path: string) => `${imports}
    const socket = kernel.connect('${path}')
    const { buffers: [buffer], message } = await receiveDmaBuf(socket, { kernel })
    console.log(new TextDecoder().decode(message) + ': ' + first(buffer))
    buffer.cpuAccess('write', (bytes) => { bytes[4096] = 0x77 })
    const own = allocateFromHeap('system', 4096, { name: 'of the child', kernel })
    own.cpuAccess('write', (bytes) => bytes.set([4, 3, 2, 1]))
    await sendDmaBuf(socket, own, { message: new TextEncoder().encode('to the parent') })
    own.close()
    buffer.close()
    kernel.close(socket)
  `,

  /** Has the buffer itself as descriptor 3. */
  inherited: `${imports}
    const buffer = dmaBufGet(3, { kernel })
    console.log(buffer.name + ': ' + first(buffer))
    buffer.cpuAccess('write', (bytes) => { bytes[0] = 0x55 })
    buffer.close()
  `,

  /** Takes the buffer from its parent, which knows nothing of it. */
  byProcess: (fd: number) => `${imports}
    const buffer = dmaBufOfProcess(process.ppid, ${fd}, { kernel })
    console.log(buffer.name + ': ' + first(buffer))
    buffer.cpuAccess('write', (bytes) => { bytes[0] = 0x66 })
    buffer.close()
  `,

  /** Shares a buffer of its own with a worker. */
  worker: `${imports}
    if (isMainThread) {
      const buffer = createUdmabuf({ size: 4096, kernel })
      const worker = new Worker(new URL(import.meta.url))
      worker.postMessage(exportDmaBuf(buffer))
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
      // What the worker left open is closed with it.
      await worker.terminate()
      console.log('the worker wrote ' + buffer.cpuAccess('read', (bytes) => bytes[0]))
      buffer.close()
      if (kernel.live().descriptors !== 0) throw new Error('a descriptor is left')
    } else {
      parentPort.once('message', (handle) => {
        importDmaBuf(handle, { kernel }).cpuAccess('write', (bytes) => { bytes[0] = 88 })
        parentPort.postMessage('done')
      })
    }
  `,

  /** Has a function that begins an access to the buffer at descriptor 3, and waits for another one in vain. */
  busy: `${imports}
    async function use() {
      const buffer = dmaBufGet(3, { kernel })
      buffer.beginCpuAccess('read-write')
      buffer.map().bytes[0] = 0x44
      await receiveDmaBuf(4, { kernel })
    }
  `,
}
