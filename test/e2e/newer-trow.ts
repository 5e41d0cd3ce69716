import assert from 'node:assert/strict'
import { cpSync, createWriteStream, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { platforms } from '../../src/image/platform.ts'
import { writeImageArchive } from '../../src/image/image-archive.ts'
import { buildTestImage, withPackage } from '../support/trow-image.ts'
import type { ClusterNode } from './node.ts'
import { subfolder } from './place.ts'

export interface NewerTrow {
  readonly version: string
  /** Path of `trow`, for `runInCluster`. */
  readonly program: string
  /** Number of migrations of this version. */
  readonly schema: number
  /** Reference of the image, which is on every node. */
  readonly image: string
}

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url))
const migration = 'create table upgraded (id integer primary key)'

/**
 * Makes a package of this trow with a higher version and one more migration, as `npm install` would leave it in the folder.
 * Its image is on the nodes.
 */
export async function newerTrow(folder: string, nodes: readonly ClusterNode[]): Promise<NewerTrow> {
  await withPackage(async (made) => cpSync(made, folder, { recursive: true }))
  symlinkSync(modules, join(folder, 'node_modules'))
  const version = raiseVersion(join(folder, 'package.json'))
  addMigration(join(folder, 'dist/metadata/sqlite/migrations.js'))
  const { schemaVersion } = (await import(join(folder, 'dist/metadata/sqlite/migrations.js'))) as {
    schemaVersion: number
  }
  const image = `trow.test/trow:${version}`
  const own = platforms.filter(({ cpu }) => cpu === process.arch)
  const built = await buildTestImage(folder, { platforms: own, version })
  const archive = `newer-trow-${process.pid}.tar`
  const path = join(subfolder('images'), archive)
  try {
    await writeImageArchive(built, {
      name: image,
      docker: built.platforms[0]!,
      target: createWriteStream(path),
    })
    for (const node of nodes) await node.importImage(archive)
  } finally {
    rmSync(path, { force: true })
  }
  return { version, program: join(folder, 'bin/trow.js'), schema: schemaVersion, image }
}

function raiseVersion(path: string): string {
  const own = JSON.parse(readFileSync(path, 'utf8')) as { version: string }
  const [major, minor] = own.version.split('.').map(Number)
  const version = `${major}.${minor! + 1}.0`
  writeFileSync(path, JSON.stringify({ ...own, version }, undefined, 2))
  return version
}

function addMigration(path: string): void {
  const text = readFileSync(path, 'utf8')
  const changed = text.replace(/\n\];/, `\n  \`${migration}\`,\n];`)
  assert.notEqual(changed, text, 'the migrations are not a list any more')
  writeFileSync(path, changed)
}
