import { createHash } from 'node:crypto'
import {
  copyFileSync,
  cpSync,
  createWriteStream,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
} from 'node:fs'
import { readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildDist } from '../../image/dist.ts'
import { findMirror, openImageSource } from '../../src/cli/image/image-source.ts'
import { buildImage } from '../../src/image/build-image.ts'
import { writeImageArchive } from '../../src/image/image-archive.ts'
import type { Image } from '../../src/image/image.ts'
import { platforms, type Platform } from '../../src/image/platform.ts'
import { cacheFolder, debianProblem } from '../requirements.ts'

const root = new URL('../..', import.meta.url).pathname
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version

export interface TrowImage {
  /** As pods name it; another for other sources: `trow.test/trow:0123456789ab`. */
  readonly name: string
  /** What `ctr images import` takes, with the platform of this machine. */
  readonly archive: string
}

/** For `suite({ skip })`: false, or why trow's image cannot be built here. */
export async function imageProblem(): Promise<string | false> {
  try {
    await findMirror(undefined)
    return false
  } catch (error) {
    return debianProblem() ?? (error as Error).message
  }
}

/** Where downloads and layers of the tests are kept. */
export function imageCacheFolder(): string {
  return join(cacheFolder(), 'image')
}

/** trow's image of the sources as they are now; made once for equal sources, 10 to 60 s on two cores. */
export async function trowImage(): Promise<TrowImage> {
  const key = sourceDigest().slice(0, 12)
  const name = `trow.test/trow:${key}`
  const archive = join(imageCacheFolder(), `trow-${key}.tar`)
  if (existsSync(archive)) return { name, archive }
  const own = platforms.filter(({ cpu }) => cpu === process.arch)
  await withPackage(async (folder) => {
    const image = await buildTestImage(folder, { platforms: own })
    const staged = `${archive}.${process.pid}`
    await writeImageArchive(image, { name, docker: image.platforms[0]!, target: createWriteStream(staged) })
    renameSync(staged, archive)
    forgetOldArchives()
  })
  return { name, archive }
}

/** Each change of the sources makes another. */
function forgetOldArchives(): void {
  const kept = 3
  const archives = globSync('trow-*.tar', { cwd: imageCacheFolder() })
    .map((name) => join(imageCacheFolder(), name))
    .map((path) => ({ path, time: statSync(path).mtimeMs }))
    .sort((one, other) => other.time - one.time)
  for (const { path } of archives.slice(kept)) rmSync(path, { force: true })
}

export function buildTestImage(
  packageFolder: string,
  options: {
    readonly platforms: readonly Platform[]
    readonly layerFolder?: string
    /** The one of package.json unless told. */
    readonly version?: string
  },
): Promise<Image> {
  const cache = imageCacheFolder()
  return buildImage({
    packageFolder,
    version,
    created: new Date(0),
    source: openImageSource(
      { env: process.env, cwd: root },
      { cache, mirror: undefined, progress: { expect() {}, add() {} } },
    ),
    layerFolder: join(cache, 'layers'),
    report: () => {},
    ...options,
  })
}

/** A folder with what `npm pack` would publish of the sources as they are now, gone afterwards. */
export async function withPackage<Result>(use: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'trow-package-'))
  try {
    for (const part of ['bin', 'templates', 'image'])
      cpSync(join(root, part), join(folder, part), { recursive: true })
    for (const part of ['package.json', 'LICENSE']) copyFileSync(join(root, part), join(folder, part))
    buildDist(join(folder, 'dist'))
    mkdirSync(imageCacheFolder(), { recursive: true })
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function sourceDigest(): string {
  const hash = createHash('sha256')
  const parts = [
    'bin/**/*',
    'src/**/*',
    'templates/**/*',
    'image/*',
    'package.json',
    'package-lock.json',
    'tsconfig*.json',
  ]
  for (const path of globSync(parts, { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort())
    hash.update(`${path.slice(root.length)}\0`).update(readFileSync(path))
  return hash.digest('hex')
}
