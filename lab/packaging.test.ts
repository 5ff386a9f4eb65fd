import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { moduleFormat } from './bundle.mjs'
import { cached, prune } from './cache.mjs'
import { parseLdd } from './elf-libraries.mjs'
import { kernelsOf, newestName } from './guest-kernel.mjs'
import { packagePayload } from './payload.mjs'
import { quote } from './plan.mjs'
import { listPrograms } from './suite.mjs'
import { listWorkspaces } from './workspace.mjs'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lab-test-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function write(path: string, text: string, seconds = 1000) {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  utimesSync(file, seconds, seconds)
}

function writeRepository() {
  write('package.json', '{"workspaces":["packages/*","examples/*","conformance","missing"]}')
  write('node_modules/loader/package.json', '{"name":"loader"}')
  write('node_modules/loader/index.js', '')
  write('packages/core/package.json', '{"name":"@x/core","dependencies":{"loader":"1"}}')
  write('packages/core/src/index.ts', '', 3000)
  write('packages/core/dist/index.js', '', 2000)
  write('packages/core/dist/index.js.map', '')
  write('packages/core/dist/index.d.ts', '')
  write('packages/unbuilt/package.json', '{"name":"@x/unbuilt"}')
  write('packages/unbuilt/src/index.ts', '')
  write('examples/copy/package.json', '{"name":"@x/copy","dependencies":{"@x/core":"1"}}')
  write('examples/copy/src/index.test.ts', '', 9000)
  write('examples/copy/dist/index.js', '')
  write('conformance/package.json', '{"name":"@x/conformance"}')
  write('conformance/dist/fake.mjs', '')
  write('conformance/dist/real.mjs', '')
  return listWorkspaces(root)
}

describe('listWorkspaces', () => {
  it('finds what the root names, built or not', () => {
    const found = writeRepository().map(({ path, built }) => ({ path, built }))
    expect(found).toEqual([
      { path: 'packages/core', built: true },
      { path: 'packages/unbuilt', built: false },
      { path: 'examples/copy', built: true },
      { path: 'conformance', built: true },
    ])
  })
})

describe('packagePayload', () => {
  it('installs published packages with what they need, and the rest at its own place', () => {
    const paths = packagePayload(writeRepository()).map(({ path, target }) =>
      target ? `${path} -> ${target}` : path,
    )
    expect(paths.sort()).toEqual([
      '/app/conformance/dist/fake.mjs',
      '/app/conformance/dist/real.mjs',
      '/app/conformance/package.json',
      '/app/examples/copy/dist/index.js',
      '/app/examples/copy/package.json',
      '/app/node_modules/@x/conformance -> /app/conformance',
      '/app/node_modules/@x/copy -> /app/examples/copy',
      '/app/node_modules/@x/core/dist/index.js',
      '/app/node_modules/@x/core/dist/index.js.map',
      '/app/node_modules/@x/core/package.json',
      '/app/node_modules/loader/index.js',
      '/app/node_modules/loader/package.json',
    ])
  })
})

describe('the commands of packages', () => {
  it("are on the guest's search path, where their package is built", () => {
    write('packages/uio/package.json', '{"name":"@linux-dma/uio"}')
    const lsuio = () => packagePayload(writeRepository()).find(({ path }) => path === '/bin/lsuio')
    expect(lsuio()).toBeUndefined()
    write('packages/uio/dist/lsuio.js', '')
    expect(lsuio()?.executable).toBe(true)
    expect(Buffer.from(lsuio()?.data ?? []).toString()).toBe(
      '#!/bin/sh\nexec /bin/node /app/node_modules/@linux-dma/uio/dist/lsuio.js lsuio "$@"\n',
    )
  })
})

describe('listPrograms', () => {
  it('has the conformance suites first, each on its machine, then each example with the address of its device, then the fuzzer', () => {
    const programs = listPrograms(writeRepository())
    expect(programs.map(({ id, real }) => [id, real.directory, real.command.slice(2)])).toEqual([
      ['conformance-iommu', '/app/conformance', ['dist/real.mjs', 'iommu']],
      ['conformance-no-remapping', '/app/conformance', ['dist/real.mjs', 'no-remapping']],
      ['conformance-no-iommu', '/app/conformance', ['dist/real.mjs', 'no-iommu']],
      ['conformance-pass-through', '/app/conformance', ['dist/real.mjs', 'pass-through']],
      ['conformance-uio-drivers', '/app/conformance', ['dist/real.mjs', 'uio-drivers']],
      ['conformance-uio-dma-memory', '/app/conformance', ['dist/real.mjs', 'uio-dma-memory']],
      ['conformance-dma-buf', '/app/conformance', ['dist/real.mjs', 'dma-buf']],
      ['examples-copy', '/app/examples/copy', ['dist/index.js', '--vfio', '0000:00:04.0']],
    ])
  })
})

describe('cached', () => {
  it('builds an entry once', async () => {
    const path = join(root, 'cache/entry')
    let builds = 0
    const build = (scratch: string) => {
      builds += 1
      writeFileSync(join(scratch, 'entry'), 'whole')
    }
    expect([await cached(path, build), await cached(path, build), builds]).toEqual([path, path, 1])
  })

  it('is not taken away by another run that prunes, from the moment it is asked for', async () => {
    const path = join(root, 'cache/1')
    const never = () => {
      throw new Error('it is there')
    }
    for (const name of ['1', '2', '3']) write(`cache/${name}`, '', Number(name))
    await cached(path, never)
    prune(join(root, 'cache'), 1)
    expect(readdirSync(join(root, 'cache'))).toEqual(['1'])
    write('cache/4', '', Date.now() / 1000 + 60)
    write('cache/5', '', 5)
    prune(join(root, 'cache'), 1)
    expect(readdirSync(join(root, 'cache'))).toEqual(['1', '4'])
  })

  it('leaves nothing in the place of an entry whose build failed', async () => {
    const path = join(root, 'cache/entry')
    const fail = (scratch: string) => {
      writeFileSync(join(scratch, 'entry'), 'half')
      throw new Error('the network is gone')
    }
    await expect(cached(path, fail)).rejects.toThrow('the network is gone')
    await cached(path, (scratch) => mkdirSync(join(scratch, 'entry')))
  })
})

describe('small things', () => {
  it('compares versions by number', () => {
    expect(
      newestName(['linux-image-6.12.9+deb12', 'linux-image-6.12.95+deb12', 'linux-image-6.1.170']),
    ).toContain('.95')
    expect(newestName([])).toBeUndefined()
  })

  it('tells kernels of one flavour from those of others', () => {
    const flavours = ['amd64', 'cloud-amd64', 'rt-amd64'].map(
      (flavour) => `linux-image-6.12.95+deb12-${flavour}-unsigned`,
    )
    const names = [...flavours, 'linux-image-6.1.0-47-amd64-unsigned', 'linux-image-6.12.95+deb12-amd64-dbg']
    const found = (['amd64', 'cloud-amd64'] as const).map((flavour) =>
      kernelsOf(flavour, names, 'linux-image-', '-unsigned'),
    )
    expect(found).toEqual([[flavours[0]], [flavours[1]]])
    expect(kernelsOf('amd64', ['kernel-6.12.95+deb12-amd64', 'given-1'], 'kernel-')).toHaveLength(1)
  })

  it('reads libraries and the loader, not the virtual one', () => {
    const text = `	linux-vdso.so.1 (0x00007f1331eb7000)
	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f1331b20000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f1331eb9000)`
    expect(parseLdd(text, 'node')).toEqual(['/lib/x86_64-linux-gnu/libm.so.6', '/lib64/ld-linux-x86-64.so.2'])
    expect(parseLdd('	not a dynamic executable', 'busybox')).toEqual([])
    expect(() => parseLdd('	libgone.so => not found', 'node')).toThrow('libgone.so')
  })

  it('quotes for the shell', () => {
    expect(quote("it's $HOME")).toBe("'it'\\''s $HOME'")
  })

  it("tells modules by Node's own rule", () => {
    write('esm/package.json', '{"type":"module"}')
    expect(['esm/a.js', 'a.mts', 'a.ts', 'esm/a.cjs'].map((path) => moduleFormat(join(root, path)))).toEqual([
      ...['esm', 'esm', 'esm', 'cjs'],
    ])
  })
})
