import type { NpmPackage } from './package-lock.ts'
import type { DebianFile } from './source-lock.ts'

/** Provides the files of an image; each has been compared with its digest. */
export interface ImageSource {
  debian(file: DebianFile): Promise<Buffer>
  /** Returns the .tgz file of each package. The packages of one call are downloaded together. */
  npm(packages: readonly Omit<NpmPackage, 'path'>[]): Promise<readonly Buffer[]>
}
