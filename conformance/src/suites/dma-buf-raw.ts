import assert from 'node:assert/strict'
import type { Host, Runner } from '../host'

/**
 * What Linux 6.12 answers where no verb of `Kernel` asks, by the names that `lab/programs/dma-buf-raw.c` gives its
 * questions. Who makes or imports a dma-buf relies on these.
 */
const answers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'takes no file for a memfd that is none': {
    'stdin as memfd': 'EBADFD',
    'tmpfs regular file': 'EINVAL',
    'no SHRINK seal': 'EINVAL',
    'memfd without MFD_ALLOW_SEALING': 'EINVAL',
  },
  'tells its size to lseek and nothing else': {
    'lseek END 0': 'OK(16384)',
    'lseek SET 0': 'OK(0)',
    'lseek SET 4096': 'EINVAL',
    'lseek CUR 0': 'EINVAL',
    'lseek END -1': 'EINVAL',
    'ftruncate()': 'EINVAL',
    'open /proc/self/fd': 'ENXIO',
  },
  'is mapped shared, and no further than it goes': {
    'mmap MAP_PRIVATE': 'EINVAL',
    'mmap 5 pages': 'EINVAL',
    'mmap off=4 pages': 'EINVAL',
    'mmap PROT_EXEC': 'OK(0)',
  },
  'has a mapping whose pages nobody can take hold of': {
    'vmsplice(memfd mapping)': 'OK(4096)',
    'vmsplice(udmabuf mapping)': 'EFAULT',
    'process_vm_readv(self, udmabuf mapping)': 'EFAULT',
    'write(pipe, udmabuf mapping)': 'OK(8)',
    'mlock(udmabuf mapping)': 'OK(0)',
    'madvise DONTFORK': 'OK(0)',
    'madvise DONTNEED': 'EINVAL',
    'madvise REMOVE': 'ENODEV',
  },
  'keeps out of a child what it was told to': {
    'fork, page 0': 'status b, parent sees 0',
    'fork, page 1': 'status 0, parent sees 9',
  },
  'comes apart from a memfd that a hole is punched into': {
    'ftruncate(memfd) shrink': 'EPERM',
    'ftruncate(memfd) grow': 'OK(0)',
    'PUNCH_HOLE memfd under udmabuf': 'OK(0)',
    'after punch': 'memfd 0, udmabuf 2',
    'madvise REMOVE of the memfd mapping': 'OK(0)',
  },
  'stays whole where the memfd was sealed afterwards': {
    'add F_SEAL_SHRINK again': 'OK(0)',
    'add F_SEAL_FUTURE_WRITE': 'OK(0)',
    'add F_SEAL_FUTURE_WRITE again': 'OK(0)',
    'PUNCH_HOLE after F_SEAL_FUTURE_WRITE': 'EPERM',
    'madvise REMOVE after F_SEAL_FUTURE_WRITE': 'EPERM',
    'write after F_SEAL_FUTURE_WRITE': 'udmabuf 7',
    'create after F_SEAL_FUTURE_WRITE': 'EINVAL',
    'add F_SEAL_SEAL': 'OK(0)',
    'add F_SEAL_SEAL again': 'EPERM',
  },
  'holds the pages of its memfd, mapped or not': {
    'add F_SEAL_WRITE while udmabuf alive+mapped': 'EBUSY',
    'add F_SEAL_WRITE, only udmabuf pins': 'EBUSY',
    'add F_SEAL_WRITE, no udmabuf': 'OK(1)',
    'after close(fd)': 'udmabuf 7',
  },
  'of a heap is mapped privately too': {
    'heap: vmsplice(mapping)': 'EFAULT',
    'heap: mmap PRIVATE': 'OK(0)',
  },
}

/** A dma-buf by the system calls that the packages never make. */
export function dmaBufRaw({ describe, it, skip }: Runner, { runProgram }: Host): void {
  describe('dma-buf raw', () => {
    if (!runProgram) {
      for (const title of [...Object.keys(answers), 'was asked nothing else'])
        skip(title, 'only C can ask: the fake has no such system calls')
      return
    }
    let running: Promise<ReadonlyMap<string, string>> | undefined
    const given = () => {
      running ??= ask(runProgram)
      return running
    }

    for (const [title, expected] of Object.entries(answers)) {
      it(title, async () => {
        const all = await given()
        const found = Object.keys(expected).map((name) => [name, all.get(name)])
        assert.deepEqual(Object.fromEntries(found), expected)
      })
    }

    it('was asked nothing else', async () => {
      const known = Object.values(answers).flatMap(Object.keys)
      assert.deepEqual([...(await given()).keys()].sort(), known.sort())
    })
  })
}

/** Runs the program once: its answers by their names. */
async function ask(runProgram: NonNullable<Host['runProgram']>): Promise<ReadonlyMap<string, string>> {
  const { status, output } = await runProgram('dma-buf-raw', [])
  assert.equal(status, 0, output)
  const lines = output.trim().split('\n')
  return new Map(lines.map((line) => line.split('\t') as [string, string]))
}
