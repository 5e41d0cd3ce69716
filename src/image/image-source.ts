import type { NpmPackage } from './package-lock.ts'
import type { DebianFile } from './source-lock.ts'

/** Brings what an image is made of; each file has been compared with its digest. */
export interface ImageSource {
  debian(file: DebianFile): Promise<Buffer>
  /** The .tgz of a package. Those that are asked for together are fetched together. */
  npm(packages: readonly Omit<NpmPackage, 'path'>[]): Promise<readonly Buffer[]>
}
