/** Config types of runnable images; other artifacts have no platform. */
const imageConfigs: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
])

/** Bytes of the largest config that is read; real configs have a few thousand. */
export const configLimit = 1024 * 1024

export function isImageConfig(mediaType: string): boolean {
  return imageConfigs.has(mediaType.toLowerCase())
}

/** The platform in an image's config (OCI image-spec, config.md). Undefined where the config has none. */
export function platformOfConfig(bytes: Uint8Array): string | undefined {
  try {
    const config: unknown = JSON.parse(
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(),
    )
    return typeof config === 'object' && config !== null
      ? platformText(config as Readonly<Record<string, unknown>>)
      : undefined
  } catch {
    return undefined
  }
}

/** `os/architecture[/variant]` of a config or a descriptor. */
export function platformText(from: Readonly<Record<string, unknown>>): string | undefined {
  const { os, architecture, variant } = from
  if (!isWord(os) || !isWord(architecture)) return undefined
  return isWord(variant) ? `${os}/${architecture}/${variant}` : `${os}/${architecture}`
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.-]{1,64}$/.test(value)
}
