import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { textFile } from '../fs/nodes'

/** A number that root can change in /sys/module/NAME/parameters: a 32-bit int, as kstrtoint() reads it. */
export class ModuleParameter {
  value: number

  constructor(value: number) {
    this.value = value
  }

  mount(fs: FileSystem, module: string, name: string): void {
    const set = (text: string) => {
      this.value = parseInt32(text)
    }
    fs.put(
      `/sys/module/${module}/parameters/${name}`,
      textFile(() => `${this.value}\n`, set, 0o644),
    )
  }
}

function parseInt32(text: string): number {
  const match = /^([+-]?)(0x[\da-f]+|0[0-7]*|[1-9]\d*)\n?$/i.exec(text)
  if (match === null) return fail('EINVAL', 'write a number')
  const [, sign, digits] = match
  const octal = /^0\d/.test(digits!)
  const value = Number(octal ? `0o${digits!.slice(1)}` : digits) * (sign === '-' ? -1 : 1)
  return value === (value | 0) ? value : fail('ERANGE', 'the number has more than 32 bits')
}
