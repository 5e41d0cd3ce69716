import { reasonOf } from '../reason-of.ts'
import { UserError } from '../user-error.ts'
import type { ImageSource } from './image-source.ts'
import { readDebianPackage } from './debian-package.ts'
import { file, type LayerEntry } from './layer-entry.ts'
import type { Layer } from './layer.ts'
import type { Platform } from './platform.ts'
import { refreshCommand, type DebianFile, type SourceLock } from './source-lock.ts'
import type { TarMember } from './tar-reader.ts'

/** The user as which the image runs. */
export const user = { name: 'trow', id: 65532 } as const

/** The files that are taken from each package: patterns for its folder of libraries and for the loader. */
const libraries: Readonly<Record<string, readonly RegExp[]>> = {
  libc6: [/^lib(c|m|dl|pthread|rt)\.so\.\d+$/, /^ld-linux-[^/]+$/],
  'libstdc++6': [/^libstdc\+\+\.so\.6(\.\d+)*$/],
  'libgcc-s1': [/^libgcc_s\.so\.1$/],
  libatomic1: [/^libatomic\.so\.1(\.\d+)*$/],
  'gcc-14-base': [],
  'ca-certificates': [],
}
/** The packages that the lock file must contain. */
export const debianPackages = Object.keys(libraries)

const certificates = /^usr\/share\/ca-certificates\/.+\.crt$/
/** The path at which OpenSSL and most programs look for the system's CAs. */
export const certificateBundle = 'etc/ssl/certs/ca-certificates.crt'

/**
 * The layer with what Node needs of a system: shared libraries, CAs and a user, with the packages' control
 * fields and copyright files.
 */
export function systemLayer(platform: Platform, { debian }: SourceLock, source: ImageSource): Layer {
  const files = debian.files[platform.architecture]
  return {
    title: `Libraries and certificate authorities of Debian ${debian.version}`,
    inputs: files.map(({ sha256 }) => sha256),
    async entries() {
      const packages = await Promise.all(files.map((each) => unpack(each, platform, source)))
      const members = packages.flatMap((each) => each.members)
      for (const pattern of [
        /\/libc\.so\.6$/,
        /\/libstdc\+\+\.so\.6$/,
        /\/libgcc_s\.so\.1$/,
        /\/libatomic\.so\.1$/,
      ])
        if (!members.some(({ path }) => pattern.test(path))) throw missing(String(pattern))
      if (!members.some(({ path }) => path === platform.loader)) throw missing(platform.loader)
      return [
        ...members.filter(({ path }) => !certificates.test(path)).map(toEntry),
        ...packages.map(({ name, control }) => file(`var/lib/dpkg/status.d/${name}`, control)),
        file(certificateBundle, bundle(members)),
        ...accounts(debian),
      ]
    },
  }
}

async function unpack(
  debianFile: DebianFile,
  { triplet, loader }: Platform,
  source: ImageSource,
): Promise<{ name: string; control: string; members: readonly TarMember[] }> {
  const { package: name } = debianFile
  const folder = `usr/lib/${triplet}/`
  const patterns = libraries[name] ?? []
  const wanted = (path: string): boolean =>
    path === loader ||
    (path.startsWith(folder) && patterns.some((each) => each.test(path.slice(folder.length)))) ||
    path === `usr/share/doc/${name}/copyright` ||
    (name === 'ca-certificates' && certificates.test(path))
  const bytes = await source.debian(debianFile)
  try {
    return { name, ...(await readDebianPackage(bytes, wanted)) }
  } catch (cause) {
    throw new UserError('IMAGE_SOURCE_INVALID', `${debianFile.path}: ${reasonOf(cause)}`, {
      hint: `In a checkout of trow, ${refreshCommand} takes the newest packages.`,
      cause,
    })
  }
}

function toEntry({ path, kind, mode, content, target }: TarMember): LayerEntry {
  return kind === 'link' ? { kind, path, target } : { kind, path, mode: mode & 0o755, content }
}

/**
 * As update-ca-certificates(8): one certificate after the other, by name, each with a line break at its end.
 */
function bundle(members: readonly TarMember[]): string {
  const all = members.filter(({ path }) => certificates.test(path))
  if (all.length === 0) throw missing('certificate authorities')
  return all
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ content }) => `${content.toString().trimEnd()}\n`)
    .join('')
}

function accounts({ version, codename }: SourceLock['debian']): LayerEntry[] {
  const { name, id } = user
  const release = [
    `PRETTY_NAME="trow on libraries of Debian ${version}"`,
    'NAME="Debian GNU/Linux"',
    'ID=debian',
    `VERSION_ID="${version.split('.')[0]}"`,
    `VERSION_CODENAME=${codename}`,
  ]
  return [
    { kind: 'link', path: 'lib', target: 'usr/lib' },
    { kind: 'link', path: 'lib64', target: 'usr/lib64' },
    { kind: 'folder', path: 'usr/lib64', mode: 0o755 },
    { kind: 'folder', path: 'tmp', mode: 0o1777 },
    { kind: 'folder', path: 'data', mode: 0o755, owner: id },
    file('etc/os-release', `${release.join('\n')}\n`),
    file('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n'),
    file('etc/passwd', `root:x:0:0:root:/:/nonexistent\n${name}:x:${id}:${id}:trow:/data:/nonexistent\n`),
    file('etc/group', `root:x:0:\n${name}:x:${id}:\n`),
  ]
}

function missing(what: string): UserError {
  return new UserError('IMAGE_SOURCE_INVALID', `the Debian packages of the lock have no ${what}`, {
    hint: 'Say so to who maintains trow: its lock needs another package.',
  })
}
