import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { isIndexType } from '../oci/media-types.ts'
import type { Reference } from '../oci/tag.ts'
import type { RemoteManifest } from '../upstream/registry-client.ts'
import { exitCode, UserError } from '../user-error.ts'

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant: string | undefined
}

/** Bytes of a config that is read for its platform. */
const configLimit = 1024 * 1024

const text = z.string().optional().catch(undefined)
const platformSchema = z.object({ os: text, architecture: text, variant: text })

/** Parses `linux/arm64` or `linux/arm/v7`. Throws UserError PLATFORM_UNKNOWN. */
export function parsePlatform(given: string): Platform {
  const match = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/.exec(given)
  const [, os, architecture, variant] = match ?? []
  if (os !== undefined && architecture !== undefined) return { os, architecture, variant }
  throw new UserError('PLATFORM_UNKNOWN', `"${given}" is no platform`, {
    hint: 'Write OS/ARCHITECTURE[/VARIANT], linux/arm64 for example.',
    exitCode: exitCode.usage,
  })
}

/** Returns the manifest of one platform. Throws UserError PLATFORM_MISSING. */
export async function selectPlatform(
  found: RemoteManifest,
  wanted: Platform,
  {
    name,
    parse,
    read,
    readConfig,
  }: {
    readonly name: string
    parse(found: RemoteManifest): Manifest
    read(reference: Reference): Promise<RemoteManifest>
    readConfig(digest: Digest, limit: number): Promise<Uint8Array | undefined>
  },
): Promise<RemoteManifest> {
  const manifest = parse(found)
  if (isIndexType(manifest.mediaType)) {
    const child = manifest.manifests.find(({ platform }) => isPlatform(platform, wanted))
    if (child !== undefined) return read(child.digest)
    throw platformMissing(
      name,
      wanted,
      manifest.manifests.map(({ platform }) => platform),
    )
  }
  const { config } = manifest
  const bytes = config && (await readConfig(config.digest, configLimit))
  const platform = tryForeignJson(bytes, platformSchema, configLimit)
  if (isPlatform(platform, wanted)) return found
  throw platformMissing(name, wanted, [platform])
}

/** Whether the platform of a descriptor or a config is the wanted one. */
export function isPlatform(found: unknown, wanted: Platform): boolean {
  const { os, architecture, variant } = platformSchema.safeParse(found).data ?? {}
  // image-spec, "Platform Variants": v8 is the only one of arm64, and often not written.
  const usual = architecture === 'arm64' ? 'v8' : undefined
  return (
    os === wanted.os &&
    architecture === wanted.architecture &&
    (wanted.variant === undefined || (variant ?? usual) === wanted.variant)
  )
}

/** Names the platforms that there are. */
export function platformMissing(name: string, wanted: Platform, found: readonly unknown[]): UserError {
  const there = found
    .map((each) => printPlatform(platformSchema.safeParse(each).data ?? {}))
    .filter((each) => each !== '' && each !== 'unknown/unknown')
  return new UserError('PLATFORM_MISSING', `${name} has no image for ${printPlatform(wanted)}`, {
    hint: there.length === 0 ? 'It names no platform.' : `It has: ${[...new Set(there)].join(', ')}.`,
  })
}

export function printPlatform({
  os,
  architecture,
  variant,
}: { readonly [Part in keyof Platform]?: string | undefined }): string {
  return [os, architecture, variant].filter((part) => part !== undefined && part !== '').join('/')
}
