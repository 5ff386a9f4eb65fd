import { fail } from '../errors'
import { type FileAccess, OpenFile } from '../kernel/open-file'
import type { TextFile } from './nodes'

/** An open text file. Its text is made at the first read and kept until the file is read from the start again. */
export class TextOpenFile extends OpenFile {
  readonly #node: TextFile
  #text: Uint8Array | undefined

  constructor(path: string, access: FileAccess, node: TextFile) {
    super(path, access)
    this.#node = node
  }

  override readAt(bytes: Uint8Array, position: number): number {
    this.#assertThere()
    if (position === 0 || this.#text === undefined) {
      this.#text = new TextEncoder().encode(this.#node.read?.() ?? fail('EIO', `${this.path} cannot be read`))
    }
    const part = this.#text.subarray(position, position + bytes.byteLength)
    bytes.set(part)
    return part.byteLength
  }

  override writeAt(bytes: Uint8Array): number {
    this.#assertThere()
    // Nothing is nothing done, as sysfs has it.
    if (bytes.byteLength === 0) return 0
    const write = this.#node.write ?? fail('EIO', `${this.path} cannot be written`)
    write(new TextDecoder().decode(bytes))
    return bytes.byteLength
  }

  #assertThere(): void {
    if (this.#node.removed) fail('ENODEV', 'what the file was about is gone')
  }
}

/** All of a file as text. */
export function readWhole(file: OpenFile): string {
  const decoder = new TextDecoder()
  const chunk = new Uint8Array(4096)
  let text = ''
  for (let position = 0; ; ) {
    const count = file.readAt(chunk, position)
    if (count === 0) return text + decoder.decode()
    text += decoder.decode(chunk.subarray(0, count), { stream: true })
    position += count
  }
}
