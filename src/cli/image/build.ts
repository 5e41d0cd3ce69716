import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Option, type Command } from 'commander'
import { buildImage } from '../../image/build-image.ts'
import type { Image } from '../../image/image.ts'
import { parsePlatforms, platforms, type Platform } from '../../image/platform.ts'
import { defaultImage } from '../../image/reference.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { trowVersion } from '../version.ts'
import type { Terminal } from '../streams.ts'
import type { WorkProgress } from '../progress/work-progress.ts'
import { imageCache, openImageSource, removeInterrupted } from './image-source.ts'

export interface BuildFlags {
  readonly platform?: string
  readonly mirror?: string
}

export function addBuildOptions(command: Command, platform = 'all'): Command {
  return command
    .addOption(new Option('--platform <list>', 'linux/amd64, linux/arm64 or all').default(platform))
    .option('--mirror <url>', "Debian mirror, http(s)://HOST/debian (default: that of the machine's apt)")
}

/** Builds the image of the running trow; shows its steps, and a bar of what is downloaded. */
export async function buildOwnImage(
  { platform = 'all', mirror }: BuildFlags,
  terminal: Terminal,
  progress: WorkProgress,
): Promise<Image> {
  const packageFolder = fileURLToPath(new URL('../../..', import.meta.url))
  refuseStale(packageFolder)
  const cache = imageCache(terminal.env)
  await removeInterrupted(cache, Date.now())
  return buildImage({
    packageFolder,
    platforms: parsePlatforms(platform),
    version: trowVersion(),
    created: creation(terminal.env),
    source: openImageSource(terminal, { cache, mirror, progress }),
    layerFolder: join(cache, 'layers'),
    report: (line) => progress.say(line),
  })
}

export function ownReference(): string {
  return defaultImage(trowVersion())
}

/** Returns the platform that this machine runs; the first one if the image has none for it. */
export function machinePlatform(): Platform {
  return platforms.find(({ cpu }) => cpu === process.arch) ?? platforms[0]!
}

/** SOURCE_DATE_EPOCH of reproducible-builds.org, in seconds; without it the image is dated 1970. */
function creation(env: Terminal['env']): Date {
  const seconds = env['SOURCE_DATE_EPOCH'] ?? '0'
  if (/^\d{1,11}$/.test(seconds)) return new Date(Number(seconds) * 1000)
  throw new UserError('CONFIG_INVALID', `SOURCE_DATE_EPOCH is "${seconds}", which is no number of seconds`, {
    exitCode: exitCode.usage,
  })
}

/** In a checkout dist/ may be older than the sources. */
function refuseStale(folder: string): void {
  const sources = join(folder, 'src')
  const built = join(folder, 'dist', 'package-lock.json')
  if (!existsSync(sources) || !existsSync(built)) return
  const newest = readdirSync(sources, { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs)
    .reduce((a, b) => Math.max(a, b), 0)
  if (newest <= statSync(built).mtimeMs) return
  throw new UserError('IMAGE_NOT_BUILT', 'dist/ is older than the sources', {
    hint: 'Run npm run build first, or all of it with npm run image.',
  })
}
