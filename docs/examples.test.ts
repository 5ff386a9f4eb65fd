import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const packages = ['core', 'pci', 'sg', 'vfio', 'uio', 'udmabuf', 'testkit']
const readmes = ['README.md', ...packages.map((name) => `packages/${name}/README.md`)]
/** Texts with examples: also those that a README has no room for. */
const guides = [
  ...readmes,
  ...['devices', 'faults', 'runners', 'traces'].map((name) => `packages/testkit/docs/${name}.md`),
]
const documents = [
  ...guides,
  'CONTRIBUTING.md',
  'SECURITY.md',
  'docs/architecture.md',
  'conformance/README.md',
  'examples/downstream/README.md',
  'examples/edu-driver/README.md',
  'examples/framebuffer/README.md',
  'examples/rx-ring/README.md',
  'examples/share-between-devices/README.md',
  'examples/uio-edu/README.md',
]

/** One ```ts block, and the file that it becomes. */
interface Example {
  readonly title: string
  readonly source: string
  readonly file: string
}

const scratch = mkdtempSync(path.join(tmpdir(), 'linux-dma-docs-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const examples = guides.flatMap(examplesOf)
const indexes = packages.map((name) => path.join(root, 'packages', name, 'src/index.ts'))
let program: ts.Program

beforeAll(() => {
  for (const { file, source } of examples) writeFileSync(file, source)
  const files = [...examples.map(({ file }) => file), ...indexes, fileURLToPath(import.meta.url)]
  program = ts.createProgram(files, compilerOptions())
}, 60_000)

describe('the examples of the documentation', () => {
  it.each(guides)('%s has some', (guide) => {
    expect(examplesOf(guide)).not.toEqual([])
  })

  it('compile', { timeout: 60_000 }, () => {
    const checked = program
      .getSourceFiles()
      .filter(({ fileName }) => fileName.startsWith(scratch) || fileName.endsWith('/docs/examples.test.ts'))
    expect(checked).toHaveLength(examples.length + 1)
    expect(checked.flatMap((file) => problemsOf(file))).toEqual([])
  })

  for (const { title, file, source } of examples) {
    it(`${title} runs, and prints what it says`, async () => {
      const lines: string[] = []
      const print = vi.spyOn(console, 'log').mockImplementation((...words) => {
        lines.push(words.join(' '))
      })
      try {
        await import(pathToFileURL(file).href)
      } finally {
        print.mockRestore()
      }
      expect(lines.join('\n')).toBe(promisedOutput(source))
    })
  }
})

describe.each(packages)('the README of %s', (name) => {
  const text = readText(`packages/${name}/README.md`)

  it('has the headings that all package READMEs have', () => {
    const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
    expect(headings).toEqual([
      'What',
      'Install',
      'Ten lines',
      'API',
      'Errors',
      'Permissions and kernel configuration',
      'Test without hardware',
      'Compatibility',
    ])
  })

  it('names every export in its API section', () => {
    const api = section(text, 'API')
    const missing = exportsOf(name).filter((symbol) => !new RegExp(`\`${symbol}\\b`).test(api))
    expect(missing).toEqual([])
  })

  it('explains every error code of its sources, and others of what it is built on only', () => {
    const explained = [...section(text, 'Errors').matchAll(/^\| `([A-Z][A-Z0-9_]+)`/gm)].map(
      ([, code]) => code!,
    )
    const own = codesOf(name)
    const passedOn = dependenciesOf(name).flatMap(codesOf)
    expect(own.filter((code) => !explained.includes(code))).toEqual([])
    expect(explained.filter((code) => !own.includes(code) && !passedOn.includes(code))).toEqual([])
    expect(new Set(explained).size).toBe(explained.length)
  })
})

describe.each(documents)('%s', (document) => {
  const text = readText(document)

  it('links to what is there', () => {
    const links = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, link]) => link!)
    const local = links.filter((link) => !/^[a-z]+:/.test(link))
    const broken = local.filter((link) => !existsSync(path.resolve(root, path.dirname(document), link)))
    expect(broken).toEqual([])
  })

  it('names commands and files that are there', () => {
    const commands = [...text.matchAll(/\bnpm run ([\w:-]+)(?: -w @linux-dma\/(\w+))?/g)]
    const unknown = commands.filter(([, script, name]) => !scriptsOf(name).includes(script!))
    expect(unknown.map(([command]) => command)).toEqual([])
    const files = [...text.matchAll(/`((?:packages|conformance|examples|lab|scripts|docs)\/[\w./-]+)`/g)].map(
      ([, file]) => file!,
    )
    expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([])
  })
})

/** Of the repository, or of one package. */
function scriptsOf(name: string | undefined): string[] {
  const manifest = name === undefined ? 'package.json' : `packages/${name}/package.json`
  return Object.keys(JSON.parse(readText(manifest)).scripts)
}

function readText(file: string): string {
  return readFileSync(path.join(root, file), 'utf8')
}

function examplesOf(guide: string): Example[] {
  const blocks = [...readText(guide).matchAll(/^```ts\n(.*?)^```$/gms)]
  return blocks.map(([, source], i) => ({
    title: `${guide}, example ${i + 1}`,
    source: source!,
    file: path.join(scratch, `${guide.replaceAll(/\W+/g, '-')}-${i + 1}.ts`),
  }))
}

/** What the comments `//=> …` behind the lines that print promise. */
function promisedOutput(source: string): string {
  return [...source.matchAll(/\/\/=> (.*)$/gm)].map(([, line]) => line).join('\n')
}

function section(text: string, heading: string): string {
  return new RegExp(`^## ${heading}$(.*?)(?=^## |(?![\\s\\S]))`, 'ms').exec(text)![1]!
}

/** The repository's own settings, and the packages as sources: nothing has to be built. */
function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(path.join(root, 'tsconfig.base.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [] }, ts.sys, root)
  return {
    ...options,
    // The example's top-level await and imports need no package.json beside them.
    moduleDetection: ts.ModuleDetectionKind.Force,
    typeRoots: [path.join(root, 'node_modules/@types')],
    paths: { '@linux-dma/*': [path.join(root, 'packages/*/src/index.ts')] },
  }
}

function problemsOf(file: ts.SourceFile): string[] {
  const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
  return found.map(({ start = 0, messageText }) => {
    const { line } = file.getLineAndCharacterOfPosition(start)
    const name = path.basename(file.fileName)
    return `${name}:${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
}

function exportsOf(name: string): string[] {
  const index = program.getSourceFile(path.join(root, 'packages', name, 'src/index.ts'))!
  const checker = program.getTypeChecker()
  return checker.getExportsOfModule(checker.getSymbolAtLocation(index)!).map((symbol) => symbol.name)
}

/** The packages that a package is built on, by their short names. */
function dependenciesOf(name: string): string[] {
  const { dependencies = {} } = JSON.parse(readText(`packages/${name}/package.json`)) as {
    dependencies?: Record<string, string>
  }
  return Object.keys(dependencies)
    .filter((dependency) => dependency.startsWith('@linux-dma/'))
    .map((dependency) => dependency.slice('@linux-dma/'.length))
}

/** Codes that a package throws itself: those of its own errors, and those of system calls that it explains. */
function codesOf(name: string): string[] {
  const folder = path.join(root, 'packages', name, 'src')
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => readFileSync(path.join(folder, file), 'utf8'))
  const thrown = sources.flatMap((text) => [...text.matchAll(/\bDmaError\(\s*'([A-Z0-9_]+)'/g)])
  const explained = sources.flatMap((text) => [...text.matchAll(/^\s+(E[A-Z0-9]+): \(\) => \(\{$/gm)])
  return [...new Set([...thrown, ...explained].map(([, code]) => code!))]
}
