import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { findMirror } from '../src/cli/image/image-source.ts'
import { readDebianIndex } from '../src/image/debian-index.ts'
import { unxz } from '../src/image/debian-package.ts'
import { platforms } from '../src/image/platform.ts'
import { debianPackages } from '../src/image/system-layer.ts'
import type { SourceLock } from '../src/image/source-lock.ts'
import { UserError } from '../src/user-error.ts'

const codename = 'trixie'
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
const lockFile = new URL('sources.lock.json', import.meta.url)
const packageFile = new URL('../package.json', import.meta.url)

/** Writes sources.lock.json anew: the newest packages of the mirror, and the Node of the development dependencies. */
export async function refreshLock(mirrorUrl: string | undefined): Promise<void> {
  const mirror = await findMirror(mirrorUrl)
  const { version, files } = await readDebianIndex(mirror, codename, debianPackages, {
    verify,
    unpack: (packed) => text(Readable.from(unxz(packed))),
  })
  const { devDependencies } = JSON.parse(readFileSync(packageFile, 'utf8')) as {
    devDependencies: { node: string }
  }
  const archives = platforms.map(({ architecture, cpu }) => {
    const name = `node-linux-${cpu}`
    const spec = `${name}@${devDependencies.node}`
    const integrity = execFileSync('npm', ['view', spec, 'dist.integrity'], { encoding: 'utf8' }).trim()
    return [architecture, { package: name, integrity }]
  })
  const lock: SourceLock = {
    debian: { codename, version, files: files as SourceLock['debian']['files'] },
    node: {
      version: devDependencies.node,
      archives: Object.fromEntries(archives) as SourceLock['node']['archives'],
    },
  }
  writeFileSync(lockFile, `${JSON.stringify(lock, undefined, 2)}\n`)
}

/** By gpgv, which apt brings, and the keys of Debian's archive. */
async function verify(inRelease: Buffer): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'trow-release-'))
  try {
    writeFileSync(join(folder, 'InRelease'), inRelease)
    const args = ['--keyring', keyring, '--output', join(folder, 'Release'), join(folder, 'InRelease')]
    execFileSync('gpgv', args, { stdio: 'pipe' })
    return readFileSync(join(folder, 'Release'), 'utf8')
  } catch (cause) {
    throw new UserError(
      'IMAGE_SOURCE_INVALID',
      `the mirror's InRelease cannot be verified: ${(cause as Error).message}`,
      {
        hint: 'Run this on Debian, with the packages gpgv and debian-archive-keyring up to date.',
        cause,
      },
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
