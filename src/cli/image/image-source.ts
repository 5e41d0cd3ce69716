import { execFile } from 'node:child_process'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CachedSource, type DownloadProgress } from '../../image/cached-source.ts'
import { mirrorAt, mirrorOfSources, type DebianMirror } from '../../image/debian-mirror.ts'
import { UserError } from '../../user-error.ts'
import type { Terminal } from '../streams.ts'

const runProgram = promisify(execFile)

/** The folder of downloads and layers. It is a cache and may be deleted at any time. */
export function imageCache(env: Terminal['env']): string {
  return join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'trow', 'image')
}

/** Deletes what an interrupted run has left in the folders of a cache. */
export async function removeInterrupted(cache: string, now: number): Promise<void> {
  const day = 86_400_000
  for (const folder of ['downloads', 'layers'].map((name) => join(cache, name))) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (!/^(new|npm)-/.test(name)) continue
      const { mtimeMs } = await stat(join(folder, name)).catch(() => ({ mtimeMs: now }))
      if (now - mtimeMs > day) await rm(join(folder, name), { recursive: true, force: true })
    }
  }
}

export function openImageSource(
  { env, cwd }: Pick<Terminal, 'env' | 'cwd'>,
  options: {
    readonly cache: string
    readonly mirror: string | undefined
    readonly progress: DownloadProgress
  },
): CachedSource {
  return new CachedSource({
    folder: join(options.cache, 'downloads'),
    mirror: () => findMirror(options.mirror),
    pack: (specs, folder) => pack(specs, folder, { env, cwd }),
    progress: options.progress,
  })
}

/** Returns the named mirror, or that of the machine's apt. Throws UserError MIRROR_MISSING. */
export async function findMirror(named: string | undefined): Promise<DebianMirror> {
  if (named !== undefined) return mirrorAt(named)
  const mirror = mirrorOfSources(await aptSources())
  if (mirror !== undefined) return mirror
  throw new UserError('MIRROR_MISSING', 'this machine does not say where a Debian mirror is', {
    hint: 'Name one with --mirror URL, https://HOST/debian for example; debian.org lists them.',
  })
}

async function aptSources(): Promise<string[]> {
  const folder = '/etc/apt/sources.list.d'
  const names = await readdir(folder).catch(() => [])
  const paths = [
    '/etc/apt/sources.list',
    ...names.toSorted((a, b) => (a < b ? -1 : 1)).map((name) => join(folder, name)),
  ]
  return Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => '')))
}

/** npm itself downloads: it knows the registry, its credentials, proxies and CAs. */
async function pack(
  specs: readonly string[],
  folder: string,
  { env, cwd }: Pick<Terminal, 'env' | 'cwd'>,
): Promise<void> {
  const args = ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder, ...specs]
  try {
    await runProgram('npm', args, {
      cwd,
      env,
      maxBuffer: 64 * 1024 * 1024,
      shell: process.platform === 'win32',
    })
  } catch (cause) {
    const { stderr = '', message } = cause as { stderr?: string; message: string }
    throw new UserError(
      'NPM_FAILED',
      `npm could not fetch ${specs.length} packages: ${stderr.trim() || message}`,
      {
        hint: 'Look at which registry npm is set to: npm config get registry.',
        cause,
      },
    )
  }
}
