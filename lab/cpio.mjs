/**
 * @typedef {object} ArchiveEntry
 * @property {string} path in the guest, absolute
 * @property {Uint8Array} [data] a file's bytes
 * @property {string} [target] a symbolic link's target; neither: a directory
 * @property {boolean} [executable]
 */

const directoryMode = 0o040755
const fileMode = 0o100644
const executableMode = 0o100755
const linkMode = 0o120777

/**
 * Writes a cpio archive in the "newc" format, which the kernel unpacks as its first file system. Parent directories
 * are added; everything belongs to root, whoever runs this. The same entries give the same bytes.
 * @param {ArchiveEntry[]} entries
 * @returns {Uint8Array[]} the archive, in pieces: a multiple of four bytes in all, so that another one may follow
 */
export function writeArchive(entries) {
  /** @type {Uint8Array[]} */
  const pieces = []
  const directories = new Set(['/'])
  let inode = 0

  /** @param {string} path @param {number} mode @param {Uint8Array} data */
  const add = (path, mode, data) => {
    inode += 1
    pieces.push(header(inode, path.slice(1), mode, data.length), data, padding(data.length))
  }
  /** @param {string} path */
  const addDirectory = (path) => {
    if (path === '' || directories.has(path)) return
    addDirectory(path.slice(0, path.lastIndexOf('/')))
    directories.add(path)
    add(path, directoryMode, new Uint8Array())
  }

  for (const { path, data, target, executable } of entries) {
    if (!path.startsWith('/') || path.endsWith('/')) throw new RangeError(`not an absolute path: ${path}`)
    addDirectory(path.slice(0, path.lastIndexOf('/')))
    if (data) add(path, executable ? executableMode : fileMode, data)
    else if (target !== undefined) add(path, linkMode, Buffer.from(target))
    else addDirectory(path)
  }
  pieces.push(header(0, 'TRAILER!!!', 0, 0))
  return pieces
}

/**
 * @param {number} inode
 * @param {string} name
 * @param {number} mode
 * @param {number} byteLength
 */
function header(inode, name, mode, byteLength) {
  const nameByteLength = Buffer.byteLength(name) + 1
  const noOwner = [0, 0]
  const noDevice = [0, 0, 0, 0]
  const fields = [inode, mode, ...noOwner, 1, 0, byteLength, ...noDevice, nameByteLength, 0]
  const text = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`
  const bytes = Buffer.from(text)
  return Buffer.concat([bytes, padding(bytes.length)])
}

/** @param {number} byteLength */
function padding(byteLength) {
  return Buffer.alloc((4 - (byteLength % 4)) % 4)
}
