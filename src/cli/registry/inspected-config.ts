import { isIndexType } from '../../oci/media-types.ts'
import { isPlatform, platformMissing, type Platform } from '../../push/select-platform.ts'
import { shownConfig, type ShownConfig } from './image-config.ts'
import type { ImageReader, RegistryImage } from './image.ts'

/**
 * Returns the configuration of an image; of an index, of the image of one platform: the wanted one, else this
 * machine's, else the first. Undefined: it has none that can be shown. Throws UserError PLATFORM_MISSING.
 */
export async function inspectedConfig(
  reader: ImageReader,
  { manifest, digest }: RegistryImage,
  { name, platform: wanted }: { readonly name: string; readonly platform: Platform | undefined },
): Promise<ShownConfig | undefined> {
  if (!isIndexType(manifest.mediaType)) {
    const config = await reader.config(manifest)
    if (wanted !== undefined && !isPlatform(config, wanted)) throw platformMissing(name, wanted, [config])
    return Object.keys(config).length === 0 ? undefined : shownConfig(digest, config)
  }
  const images = manifest.manifests.filter(({ platform }) => platform !== undefined)
  const chosen =
    wanted === undefined
      ? (images.find(({ platform }) => isPlatform(platform, ownPlatform())) ?? images[0])
      : images.find(({ platform }) => isPlatform(platform, wanted))
  if (chosen === undefined && wanted !== undefined)
    throw platformMissing(
      name,
      wanted,
      images.map(({ platform }) => platform),
    )
  const image = chosen === undefined ? undefined : await reader.child(chosen)
  if (chosen === undefined || image === undefined) return undefined
  return shownConfig(chosen.digest, await reader.config(image))
}

/** Containers of a machine run Linux, whatever the machine itself runs. */
function ownPlatform(): Platform {
  return { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch, variant: undefined }
}
