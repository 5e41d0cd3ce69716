import { createHash } from 'node:crypto'
import { UserError } from '../user-error.ts'
import { downloadFromMirror, type DebianMirror } from './debian-mirror.ts'
import { compareVersions } from './debian-version.ts'
import type { DebianFile } from './source-lock.ts'

export interface IndexReading {
  /**
   * Verifies the signature of an InRelease file and returns the signed text; rejects if Debian did not sign
   * it.
   */
  verify(inRelease: Buffer): Promise<string>
  /** Decompresses a Packages.xz. */
  unpack(packed: Buffer): Promise<string>
}

/** The suite and its security updates, as on an installed system. */
const suites = (codename: string) =>
  [
    { archive: 'debian', suite: codename },
    { archive: 'debian-security', suite: `${codename}-security` },
  ] as const

export interface DebianIndex {
  /** The version of the suite: `13.8`. */
  readonly version: string
  /** The newest version of each requested package by architecture, in the order of the names. */
  readonly files: Readonly<Record<'amd64' | 'arm64', readonly DebianFile[]>>
}

/** Returns what a mirror has of the packages now. */
export async function readDebianIndex(
  mirror: DebianMirror,
  codename: string,
  names: readonly string[],
  { verify, unpack }: IndexReading,
): Promise<DebianIndex> {
  let version = ''
  const found = { amd64: new Map<string, DebianFile>(), arm64: new Map<string, DebianFile>() }
  for (const { archive, suite } of suites(codename)) {
    const release = await verify(
      await downloadFromMirror(mirror, { archive, path: `dists/${suite}/InRelease` }),
    )
    if (archive === 'debian') version = /^Version: (\S+)$/m.exec(release)?.[1] ?? ''
    for (const architecture of ['amd64', 'arm64'] as const) {
      const path = `main/binary-${architecture}/Packages.xz`
      const packed = await downloadFromMirror(mirror, { archive, path: `dists/${suite}/${path}` })
      if (createHash('sha256').update(packed).digest('hex') !== digestIn(release, path))
        throw invalid(
          `${suite}/${path} is not what its InRelease names: the mirror may be just being updated`,
        )
      const text = await unpack(packed)
      for (const file of readPackages(text, archive, new Set(names))) {
        const other = found[architecture].get(file.package)
        if (other === undefined || compareVersions(file.version, other.version) > 0)
          found[architecture].set(file.package, file)
      }
    }
  }
  const pick = (files: ReadonlyMap<string, DebianFile>): DebianFile[] =>
    names.map((name) => {
      const file = files.get(name)
      if (file === undefined) throw invalid(`${codename} has no package ${name}`)
      return file
    })
  if (version === '') throw invalid(`the InRelease of ${codename} has no version`)
  return { version, files: { amd64: pick(found.amd64), arm64: pick(found.arm64) } }
}

/** Reads the SHA256 list of a Release file: lines of digest, size and path. */
function digestIn(release: string, path: string): string | undefined {
  const list = release.slice(release.indexOf('\nSHA256:'))
  return list
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find(([digest, , name]) => name === path && digest?.length === 64)?.[0]
}

function readPackages(
  text: string,
  archive: DebianFile['archive'],
  names: ReadonlySet<string>,
): DebianFile[] {
  return text.split('\n\n').flatMap((paragraph) => {
    const field = (name: string): string => new RegExp(`^${name}: (.+)$`, 'm').exec(paragraph)?.[1] ?? ''
    const name = /^Package: (\S+)/.exec(paragraph.trimStart())?.[1]
    if (name === undefined || !names.has(name)) return []
    return {
      package: name,
      version: field('Version'),
      archive,
      path: field('Filename'),
      size: Number(field('Size')),
      sha256: field('SHA256'),
    }
  })
}

function invalid(message: string): UserError {
  return new UserError('IMAGE_SOURCE_INVALID', message, {
    hint: 'Try again later, or another mirror with --mirror URL.',
  })
}
