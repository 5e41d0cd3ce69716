import { createGunzip } from 'node:zlib'
import { Readable } from 'node:stream'
import { reasonOf } from '../reason-of.ts'
import { UserError } from '../user-error.ts'
import type { ImageSource } from './image-source.ts'
import { file, type LayerEntry } from './layer-entry.ts'
import type { Layer } from './layer.ts'
import { runtimePackages } from './package-lock.ts'
import type { Platform } from './platform.ts'
import { readTar, type TarMember } from './tar-reader.ts'
import type { SourceLock } from './source-lock.ts'

/** trow's folder in the image. */
export const home = 'usr/lib/trow'

/** The layer with Node's program as it was published: one file. */
export function nodeLayer(platform: Platform, { node }: SourceLock, source: ImageSource): Layer {
  const { package: name, integrity } = node.archives[platform.architecture]
  return {
    title: `Node ${node.version}`,
    inputs: [integrity],
    async entries() {
      const [archive] = await source.npm([{ name, version: node.version, integrity }])
      const members = await readPackage(archive!, name, (path) => path === 'bin/node' || path === 'LICENSE')
      const [program, license] = ['bin/node', 'LICENSE'].map((path) =>
        members.find((each) => each.path === path),
      )
      if (program === undefined || license === undefined) throw invalid(name, 'it has no bin/node')
      return [
        file('usr/bin/node', program.content, 0o755),
        file('usr/share/doc/node/copyright', license.content),
      ]
    },
  }
}

/**
 * The layer with the npm packages that trow needs on the platform, without files that programs do not read.
 */
export function dependenciesLayer(platform: Platform, packageLock: string, source: ImageSource): Layer {
  const packages = runtimePackages(packageLock, platform)
  return {
    title: 'Packages that trow depends on',
    inputs: packages.flatMap(({ path, integrity }) => [path, integrity]),
    async entries() {
      const archives = await source.npm(packages)
      const entries: LayerEntry[] = []
      for (const [index, { path, name }] of packages.entries()) {
        for (const member of await readPackage(archives[index]!, name, isNeeded)) {
          if (member.kind === 'file') entries.push(file(`${home}/${path}/${member.path}`, member.content))
        }
      }
      return entries
    },
  }
}

/**
 * Types, source maps, documents, tests, and binaries of other JavaScript runtimes are left out; licences are
 * kept.
 */
export function isNeeded(path: string): boolean {
  if (/(^|\/)(licen[cs]e|copying|notice)[^/]*$/i.test(path)) return true
  if (/^(tests?|__tests__|docs?|examples?|benchmarks?|bench|coverage|\.[^/]+)\//i.test(path)) return false
  return !/\.([cm]?ts|tsx|map|md|markdown|flow|bare|tsbuildinfo)$|(^|\/)\.[^/]+$/i.test(path)
}

async function readPackage(
  archive: Buffer,
  name: string,
  wanted: (path: string) => boolean,
): Promise<TarMember[]> {
  // npm drops the first folder of the path, whatever its name.
  const inside = (path: string): string => path.slice(path.indexOf('/') + 1)
  try {
    const members = await readTar(Readable.from([archive]).compose(createGunzip()), (path) =>
      wanted(inside(path)),
    )
    return members.map((member) => ({ ...member, path: inside(member.path) }))
  } catch (cause) {
    throw invalid(name, reasonOf(cause), cause)
  }
}

function invalid(name: string, reason: string, cause?: unknown): UserError {
  return new UserError('IMAGE_SOURCE_INVALID', `the package ${name}: ${reason}`, { cause })
}
