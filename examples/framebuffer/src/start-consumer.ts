import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Kernel } from '@linux-dma/core'
import { Channel } from './channel'
import { consume } from './consumer'
import { encodePng, type Picture } from './png'

/**
 * Starts a consumer on its end of a socket, which is the consumer's from then on.
 * @returns resolves when it has ended: with how, where that was not in order. Never rejects
 */
export type StartConsumer = (socket: number) => Promise<string | undefined>

/** Where the picture of a frame is saved. */
export function pictureFile(output: string, number: number): string {
  return path.join(output, `frame-${String(number).padStart(4, '0')}.png`)
}

/** Consumes until the producer has ended; the pictures go to a folder. The socket stays the caller's. */
export function consumeInto(output: string, kernel: Kernel, socket: number): Promise<void> {
  const save = (picture: Picture, number: number) =>
    writeFileSync(pictureFile(output, number), encodePng(picture))
  return consume(new Channel(kernel, socket, 'producer'), save)
}

/** A consumer in this process: a fake machine has no other. */
export function besideProducer(kernel: Kernel, output: string): StartConsumer {
  return async (socket) => {
    try {
      await consumeInto(output, kernel, socket)
      return undefined
    } catch (error) {
      return messageOf(error)
    } finally {
      kernel.close(socket)
    }
  }
}

/** A process of its own, which finds the socket as its descriptor 3 and inherits nothing else. */
export function asProcess(kernel: Kernel, words: readonly string[]): StartConsumer {
  return (socket) => {
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'inherit', 'inherit', socket] })
    // Open in the child alone from here on: when it ends, however it does, the other end hears of it.
    kernel.close(socket)
    return new Promise((resolve) => {
      child.once('error', (error) => resolve(messageOf(error)))
      child.once('exit', (status, signal) => {
        if (status === 0) resolve(undefined)
        else
          resolve(signal === null ? `its process ended with status ${status}` : `${signal} ended its process`)
      })
    })
  }
}

/** What to tell a person of an error. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
