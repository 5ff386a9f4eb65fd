import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chooseSources, formatSources, parseDeb822Sources, parseOneLineSources } from './apt-sources.mjs'
import { LabError } from './lab-error.mjs'
import { findCommand, run } from './processes.mjs'

/** The suite with a kernel new enough to have udmabuf and dma-heaps; bookworm's own has not. */
export const kernelSuite = 'bookworm-backports'

/**
 * An apt of the lab's own: its lists and downloads lie in a scratch directory, so it needs no root, takes none of the
 * machine's locks and changes nothing of the machine's.
 */
export class Apt {
  /** @param {string} scratch an empty directory, absolute */
  constructor(scratch) {
    for (const command of ['apt-get', 'apt-cache', 'dpkg']) {
      if (!findCommand(command)) {
        throw new LabError(`the lab is made of Debian packages, and ${command} is not on this machine`, {
          hint: 'run it on Debian or Ubuntu (a container is enough: no KVM, no privileges are needed)',
        })
      }
    }
    /** @private */
    this.scratch = scratch
    /** @private @type {LabError | undefined} */
    this.updateFailure = undefined
    for (const path of ['lists/partial', 'cache/archives/partial', 'downloads']) {
      mkdirSync(join(scratch, path), { recursive: true })
    }
    const { machine, kernel } = chooseSources(readMachineSources(), {
      codename: codename(),
      suite: kernelSuite,
    })
    if (kernel.length === 0 && machine.length === 0) {
      throw new LabError('no Debian or Ubuntu repository in /etc/apt/sources.list or /etc/apt/sources.list.d')
    }
    writeFileSync(join(scratch, 'lab.sources'), formatSources([...machine, ...kernel]))
    writeFileSync(join(scratch, 'apt.conf'), configuration(scratch))
  }

  /**
   * Fetches the package lists. A repository that cannot be reached matters only if a package is then not found: why it
   * could not be reached is kept for that message.
   */
  update() {
    try {
      this.apt('apt-get', ['-q', '-oAPT::Update::Error-Mode=any', 'update'])
    } catch (error) {
      this.updateFailure = /** @type {LabError} */ (error)
    }
  }

  /**
   * The error for packages that were looked for in vain.
   * @param {string} what
   */
  notFound(what) {
    const message = `apt finds no ${what}`
    const { updateFailure } = this
    if (!updateFailure) return new LabError(message)
    return new LabError(`${message}; ${updateFailure.message}`, {
      hint: updateFailure.hint,
      cause: updateFailure,
    })
  }

  /**
   * Lists packages whose name matches an extended regular expression.
   * @param {string} pattern
   * @returns {string[]}
   */
  search(pattern) {
    const lines = this.apt('apt-cache', ['search', '--names-only', pattern]).split('\n')
    return lines.map((line) => line.split(' ')[0] ?? '').filter(Boolean)
  }

  /**
   * Lists a package, whether the machine has it or not, and those of its dependencies that it does not have.
   * @param {string} name
   * @returns {string[]}
   */
  missingPackages(name) {
    // Newer releases have renamed libraries in which times became 64 bits wide.
    const own = this.search(`^${name}(t64)?$`)[0]
    if (own === undefined) throw this.notFound(`package ${name}`)
    const plan = this.apt('apt-get', ['-s', '--no-install-recommends', 'install', own])
    const missing = [...plan.matchAll(/^Inst (\S+)/gm)].map((match) => /** @type {string} */ (match[1]))
    return [...new Set([own, ...missing])]
  }

  /**
   * Lists the packages that a package depends on, of alternatives the first.
   * @param {string} name
   * @returns {string[]}
   */
  dependencies(name) {
    return parseDependencies(this.apt('apt-cache', ['show', '--no-all-versions', name]))
  }

  /**
   * Downloads packages: apt checks size, hash and signature.
   * @param {string[]} names
   * @returns {string[]} the files, which lie in the scratch directory
   */
  download(names) {
    const downloads = mkdtempSync(join(this.scratch, 'downloads/'))
    this.apt('apt-get', ['-q', 'download', ...names], downloads)
    const packages = readdirSync(downloads).filter((file) => file.endsWith('.deb'))
    if (packages.length < names.length)
      throw new LabError(`apt-get download left out one of ${names.join(', ')}`)
    return packages.map((file) => join(downloads, file))
  }

  /**
   * Downloads packages and unpacks them.
   * @param {string[]} names
   * @param {string} directory created if it is not there
   */
  unpack(names, directory) {
    for (const file of this.download(names)) unpackPackage(file, directory)
  }

  /**
   * @private
   * @param {string} command
   * @param {string[]} words
   * @param {string} [cwd]
   */
  apt(command, words, cwd = this.scratch) {
    return run(command, ['-c', join(this.scratch, 'apt.conf'), ...words], {
      cwd,
      hint: 'check the network and `apt-get update`; a lab that ran once needs no network again',
    })
  }
}

/**
 * Unpacks one .deb file, running none of its scripts.
 * @param {string} file
 * @param {string} directory created if it is not there
 */
export function unpackPackage(file, directory) {
  mkdirSync(directory, { recursive: true })
  run('dpkg', ['-x', file, directory])
}

/**
 * Reads what `apt-cache show` prints.
 * @param {string} text
 * @returns {string[]} the names behind `Depends:`, of alternatives the first
 */
export function parseDependencies(text) {
  const list = /^Depends: (.*)$/m.exec(text)?.[1] ?? ''
  return list.split(',').flatMap((entry) => entry.match(/[a-z0-9][a-z0-9+.-]+/)?.[0] ?? [])
}

/** @param {string} scratch */
function configuration(scratch) {
  return `Dir::Etc::sourcelist "${scratch}/lab.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::State::Lists "${scratch}/lists";
Dir::Cache "${scratch}/cache";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "2";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`
}

function readMachineSources() {
  const parts = '/etc/apt/sources.list.d'
  const files = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : []
  return ['/etc/apt/sources.list', ...files].flatMap((file) => {
    if (!/\.(list|sources)$/.test(file) || !existsSync(file)) return []
    const text = readFileSync(file, 'utf8')
    return file.endsWith('.list') ? parseOneLineSources(text) : parseDeb822Sources(text)
  })
}

function codename() {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  return /^VERSION_CODENAME="?([a-z]+)/m.exec(text)?.[1] ?? 'stable'
}
