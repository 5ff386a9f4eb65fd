import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Longer names are cut: a file system takes 255 bytes, and people look at less. */
const LONGEST_NAME = 80

/**
 * Writes a report, whole or not at all, over an older one of the same test.
 * @param key what tells the test from another of the same name
 * @returns its path, absolute
 */
export function saveReport(directory: string, name: string, html: string, key = name): string {
  const file = path.resolve(directory, reportFileName(name, key))
  mkdirSync(path.dirname(file), { recursive: true })
  const draft = `${file}.${randomUUID()}.tmp`
  try {
    writeFileSync(draft, html)
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  return file
}

/** A name that every file system takes: two tests have two, also where they differ in what is left out of it. */
export function reportFileName(name: string, key = name): string {
  const plain = name
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[-.]+/, '')
    .slice(0, LONGEST_NAME)
    .replace(/[-.]+$/, '')
  const mark = createHash('sha256').update(key).digest('hex').slice(0, 8)
  return `${plain || 'test'}-${mark}.html`
}
