/**
 * @typedef {object} AptSource one repository and suite of the machine's own apt sources
 * @property {string} uri
 * @property {string} suite
 * @property {string[]} components
 * @property {Record<string, string>} options by lower-case deb822 name, such as `signed-by`
 */

/** Debian's release names and their aliases: what tells Debian's own repository from others on the same machine. */
const debianSuites = /^(bookworm|trixie|forky|duke|sid|oldstable|stable|testing|unstable)$/

/** The options of a source that say how it is trusted; the others (languages, targets) do not matter here. */
const keptOptions = ['signed-by', 'trusted', 'check-valid-until', 'allow-insecure', 'allow-weak']

/**
 * Reads the one-line format of `sources.list`.
 * @param {string} text
 * @returns {AptSource[]}
 */
export function parseOneLineSources(text) {
  const sources = []
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line)
    if (!match) continue
    const [, options = '', uri = '', suite = '', components = ''] = match
    const pairs = options.split(/\s+/).flatMap((option) => {
      const at = option.indexOf('=')
      return at < 0 ? [] : [[option.slice(0, at).toLowerCase(), option.slice(at + 1)]]
    })
    sources.push({ uri, suite, components: words(components), options: kept(Object.fromEntries(pairs)) })
  }
  return sources
}

/**
 * Reads the deb822 format of `*.sources`. A key that is written into the file itself is kept as it stands.
 * @param {string} text
 * @returns {AptSource[]}
 */
export function parseDeb822Sources(text) {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'))
  return lines
    .join('\n')
    .split(/\n\s*\n/)
    .flatMap((stanza) => {
      const fields = parseFields(stanza)
      if (!words(fields.types ?? '').includes('deb') || /^(no|false|0)$/i.test(fields.enabled ?? ''))
        return []
      return words(fields.uris ?? '').flatMap((uri) =>
        words(fields.suites ?? '').map((suite) => ({
          uri,
          suite,
          components: words(fields.components ?? ''),
          options: kept(fields),
        })),
      )
    })
}

/**
 * Chooses what the lab needs: the machine's own release, for tools, and `suite` of Debian, for the kernel, reached as
 * the machine reaches Debian (same address, same key).
 * @param {AptSource[]} sources
 * @param {{ codename: string, suite: string }} names the machine's release and the kernel's suite
 * @returns {{ machine: AptSource[], kernel: AptSource[] }} `kernel` is empty where the machine knows no Debian
 */
export function chooseSources(sources, { codename, suite }) {
  const main = sources.filter((source) => source.components.includes('main'))
  const named = main.filter((source) => debianSuites.test(source.suite))
  // Other repositories use Debian's suite names too; Debian's own has its keyring or its path.
  const own = named.filter(
    ({ uri, options }) => /\/debian\/?$/.test(uri) || options['signed-by']?.includes('debian-archive'),
  )
  const kernel = new Map()
  for (const source of own.length > 0 ? own : named) {
    kernel.set(source.uri, { ...source, suite, components: ['main'] })
  }
  return {
    machine: sources.filter((source) =>
      new RegExp(`^${codename}(-updates|-security|/updates)?$`).test(source.suite),
    ),
    kernel: [...kernel.values()],
  }
}

/**
 * Writes sources in the deb822 format.
 * @param {AptSource[]} sources
 * @returns {string}
 */
export function formatSources(sources) {
  return sources
    .map(({ uri, suite, components, options }) => {
      const lines = ['Types: deb', `URIs: ${uri}`, `Suites: ${suite}`, `Components: ${components.join(' ')}`]
      for (const [name, value] of Object.entries(options)) lines.push(`${name}: ${value}`)
      return `${lines.join('\n')}\n`
    })
    .join('\n')
}

/**
 * @param {string} stanza
 * @returns {Record<string, string>} by lower-case field name; continuation lines are kept with their indentation
 */
function parseFields(stanza) {
  /** @type {Record<string, string>} */
  const fields = {}
  let name = ''
  for (const line of stanza.split('\n')) {
    const match = /^([A-Za-z-]+):\s*(.*)$/.exec(line)
    if (match) {
      name = /** @type {string} */ (match[1]).toLowerCase()
      fields[name] = match[2] ?? ''
    } else if (/^\s/.test(line) && name) {
      fields[name] += `\n${line}`
    }
  }
  return fields
}

/**
 * @param {Record<string, string>} options
 * @returns {Record<string, string>}
 */
function kept(options) {
  return Object.fromEntries(Object.entries(options).filter(([name]) => keptOptions.includes(name)))
}

/** @param {string} text */
function words(text) {
  return text.split(/\s+/).filter(Boolean)
}
