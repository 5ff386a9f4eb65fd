import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Apt } from './apt.mjs'
import { cached, inScratchDirectory } from './cache.mjs'
import { findCommand, run } from './processes.mjs'

/**
 * @typedef {object} Emulator
 * @property {string} path of qemu-system-x86_64
 * @property {string[]} arguments where its firmware is, if not in its usual place
 * @property {Record<string, string>} environment where its libraries are, if not in their usual place
 */

/**
 * @typedef {object} Tools
 * @property {Emulator} emulator
 * @property {string} busybox
 */

/** What the guest and the unpacking of its modules ask of busybox. */
const applets = [
  'cat',
  'cut',
  'insmod',
  'mkfifo',
  'mount',
  'poweroff',
  'rmmod',
  'setsid',
  'sh',
  'stty',
  'unxz',
  'usleep',
]

/**
 * Finds QEMU and busybox on the machine, or fetches Debian's into the cache. The machine itself is never changed.
 * @param {string} cache
 * @param {(line: string) => void} say
 * @returns {Promise<Tools>}
 */
export async function findTools(cache, say) {
  const busybox = findBusybox() ?? (await fetchBusybox(cache, say))
  const qemu = findCommand('qemu-system-x86_64')
  const emulator = qemu ? { path: qemu, arguments: [], environment: {} } : await fetchEmulator(cache, say)
  return { emulator, busybox }
}

function findBusybox() {
  const path = findCommand('busybox')
  if (!path) return undefined
  const present = run(path, ['--list']).split('\n')
  return applets.every((applet) => present.includes(applet)) ? path : undefined
}

/** @param {string} cache @param {(line: string) => void} say */
async function fetchBusybox(cache, say) {
  const root = await fetchPackages(cache, 'busybox-static', say)
  return ['bin/busybox', 'usr/bin/busybox'].map((path) => join(root, path)).find(existsSync) ?? ''
}

/**
 * @param {string} cache
 * @param {(line: string) => void} say
 * @returns {Promise<Emulator>}
 */
async function fetchEmulator(cache, say) {
  const root = await fetchPackages(cache, 'qemu-system-x86', say)
  const libraries = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib', 'lib']
  const firmware = ['usr/share/qemu', 'usr/share/seabios', 'usr/lib/ipxe/qemu']
  return {
    path: join(root, 'usr/bin/qemu-system-x86_64'),
    arguments: firmware.flatMap((path) => ['-L', join(root, path)]),
    environment: {
      // qemu-system-x86 finds its own modules beside these.
      LD_LIBRARY_PATH: [...libraries, 'usr/lib/x86_64-linux-gnu/pulseaudio']
        .map((path) => join(root, path))
        .join(':'),
      QEMU_MODULE_DIR: join(root, 'usr/lib/x86_64-linux-gnu/qemu'),
    },
  }
}

/**
 * Gives a folder with a package unpacked into it, and whatever it needs that the machine lacks.
 * @param {string} cache
 * @param {string} name a package
 * @param {(line: string) => void} say
 * @returns {Promise<string>}
 */
export function fetchPackages(cache, name, say) {
  return cached(join(cache, 'tools', name), async (scratch) => {
    await inScratchDirectory(join(cache, 'apt'), (directory) => {
      const apt = new Apt(directory)
      apt.update()
      const packages = apt.missingPackages(name)
      say(`fetching ${name} (${packages.length} packages) into the cache`)
      apt.unpack(packages, join(scratch, 'entry'))
    })
  })
}
