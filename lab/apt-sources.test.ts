import { describe, expect, it } from 'vitest'
import { chooseSources, formatSources, parseDeb822Sources, parseOneLineSources } from './apt-sources.mjs'

const bookworm = {
  uri: 'http://mirror.example/debian',
  suite: 'bookworm',
  components: ['main'],
  options: { 'signed-by': '/usr/share/keyrings/debian-archive-keyring.gpg' },
}

describe('parseOneLineSources', () => {
  it('reads options, components and a comment behind them', () => {
    const text = `# a comment
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm main # why
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/debian bookworm-updates main contrib`
    expect(parseOneLineSources(text)).toEqual([
      bookworm,
      { uri: bookworm.uri, suite: 'bookworm-updates', components: ['main', 'contrib'], options: {} },
    ])
  })

  it('leaves out a source that is commented out', () => {
    expect(parseOneLineSources('# deb http://mirror.example/debian bookworm main')).toEqual([])
  })
})

describe('parseDeb822Sources', () => {
  it('gives one source for each address and suite, past comments inside a stanza', () => {
    const text = `Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`
    expect(parseDeb822Sources(text)).toEqual([bookworm, { ...bookworm, suite: 'bookworm-updates' }])
  })

  it('leaves out what is switched off, and sources of sources', () => {
    const stanza = 'URIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n'
    expect(parseDeb822Sources(`Types: deb\nEnabled: no\n${stanza}\nTypes: deb-src\n${stanza}`)).toEqual([])
  })

  it('keeps a key that is written into the file, so that it can be written again', () => {
    const text = `Types: deb
URIs: http://mirror.example/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----`
    const sources = parseDeb822Sources(text)
    expect(sources[0]?.options['signed-by']).toContain('\n .\n mQINBF\n')
    expect(parseDeb822Sources(formatSources(sources))).toEqual(sources)
  })
})

describe('chooseSources', () => {
  const names = { codename: 'bookworm', suite: 'bookworm-backports' }

  it("reaches the kernel's suite by the machine's own address and key", () => {
    expect(chooseSources([bookworm], names).kernel).toEqual([{ ...bookworm, suite: 'bookworm-backports' }])
  })

  it('does not take a repository for Debian because it uses a Debian name for a suite', () => {
    const other = { uri: 'https://packages.example/tool', suite: 'stable', components: ['main'], options: {} }
    const { kernel, machine } = chooseSources([other, bookworm], names)
    expect(kernel.map(({ uri }) => uri)).toEqual([bookworm.uri])
    expect(machine).toEqual([bookworm])
  })

  it('takes tools from the release, its updates and its security fixes only', () => {
    const suites = ['bookworm', 'bookworm-updates', 'bookworm-security', 'bookworm-backports', 'trixie']
    const { machine } = chooseSources(
      suites.map((suite) => ({ ...bookworm, suite })),
      names,
    )
    expect(machine.map(({ suite }) => suite)).toEqual(suites.slice(0, 3))
  })

  it('finds no kernel on a machine that knows no Debian', () => {
    const ubuntu = { uri: 'http://mirror.example/ubuntu', suite: 'noble', components: ['main'], options: {} }
    expect(chooseSources([ubuntu], { ...names, codename: 'noble' })).toEqual({
      machine: [ubuntu],
      kernel: [],
    })
  })
})
