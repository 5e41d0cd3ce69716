import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../user-error.ts'
import { assembleImage, assemblePlatform, type Image, type ImageFacts, type PlatformImage } from './image.ts'
import type { ImageSource } from './image-source.ts'
import type { Layer } from './layer.ts'
import { LayerStore, type StoredLayer } from './layer-store.ts'
import { dependenciesLayer, nodeLayer } from './node-layers.ts'
import { packageLayer } from './package-layer.ts'
import type { Platform } from './platform.ts'
import { parseSourceLock } from './source-lock.ts'
import { systemLayer } from './system-layer.ts'

export interface BuildOptions extends ImageFacts {
  /** The folder of trow's package: installed, or a checkout that has been built. */
  readonly packageFolder: string
  readonly platforms: readonly Platform[]
  readonly source: ImageSource
  /** The folder of the layer cache. */
  readonly layerFolder: string
  report(line: string): void
}

/**
 * Makes trow's image from its package, with the same bytes on every machine. Throws UserError IMAGE_NOT_BUILT
 * without dist/.
 */
export async function buildImage(options: BuildOptions): Promise<Image> {
  const { packageFolder, platforms, source, version, report } = options
  const lock = parseSourceLock(await part(packageFolder, 'image/sources.lock.json'))
  const packageLock = await part(packageFolder, 'dist/package-lock.json')
  const own = await packageLayer(packageFolder, version)
  const store = new LayerStore(options.layerFolder)
  const images: PlatformImage[] = []
  for (const platform of platforms) {
    const layers: readonly Layer[] = [
      systemLayer(platform, lock, source),
      nodeLayer(platform, lock, source),
      dependenciesLayer(platform, packageLock, source),
      own,
    ]
    const stored: StoredLayer[] = []
    for (const layer of layers) {
      report(`${platform.name}: ${layer.title}`)
      stored.push(await store.make(layer))
    }
    images.push(assemblePlatform(platform, stored, options))
  }
  return assembleImage(images, options)
}

async function part(folder: string, path: string): Promise<string> {
  try {
    return await readFile(join(folder, path), 'utf8')
  } catch (cause) {
    throw new UserError(
      'IMAGE_NOT_BUILT',
      `${join(folder, path)} is not there: this trow has not been built`,
      {
        hint: 'In a checkout run npm run build; an installed package has it.',
        cause,
      },
    )
  }
}
