import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { makeAuthority, type CertificateAuthority } from '../../certificates/certificate-authority.ts'
import type { Log } from '../../log.ts'
import { weaknessOf } from '../../key-strength.ts'
import { makeFolder } from '../../new-folder.ts'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { certificateChange, type FileChanged } from '../audit/file-change.ts'
import { watchValue } from '../watched-value.ts'

/** trow's own CA: the key it signs with, and the CAs whose node certificates it accepts. */
export interface SigningAuthority {
  readonly authority: CertificateAuthority
  /** PEM: the CA that signs now and, while it is being replaced, its predecessor and successor. */
  readonly bundle: string
  /** Path of the certificate that clients must trust. */
  readonly path: string
}

/** The current CA, and notice of its changes. */
export interface SigningAuthoritySource {
  readonly current: SigningAuthority
  onChange(listener: (authority: SigningAuthority) => void): void
  close(): void
}

/**
 * Opens the CA in `--tls-ca`, which is read again when its files change; without that setting the CA in
 * `<data>/tls`, which is created if missing. Throws UserError CA_UNREADABLE, CA_INVALID.
 */
export async function openSigningAuthority(
  settings: Settings,
  log: Log,
  changed: FileChanged,
): Promise<SigningAuthoritySource> {
  const given = settings['tls-ca']
  if (given !== undefined) {
    const watched = watchValue(() => readAuthority(given), {
      files: ['ca.crt', 'ca.key', 'bundle.crt'].map((name) => join(given, name)),
      log,
      changed: 'the CA was replaced',
      refused: 'the CA is not used as it is now, the old one stays',
      facts: ({ authority, path }) => ({
        file: path,
        validTo: new X509Certificate(authority.cert).validTo,
      }),
    })
    watched.onChange((next, before) => {
      const change = certificateChange({ file: next.path, of: 'ca' }, trustedBy(before), trustedBy(next))
      if (change !== undefined) changed(change)
    })
    return watched
  }
  const folder = join(settings.data, 'tls')
  const authority = await loadAuthority(folder, ownNames(settings))
  const current = { authority, bundle: authority.cert, path: join(folder, 'ca.crt') }
  return { current, onChange: () => {}, close: () => {} }
}

function trustedBy({ authority, bundle }: SigningAuthority): string {
  return `${authority.cert}\n${bundle}`
}

/** Names and addresses of the certificate that the server issues for itself. */
export function ownNames(settings: Settings): string[] {
  const { host } = settings.listen
  const own = host === '0.0.0.0' || host === '::' ? [] : [host]
  return [...new Set(['localhost', '127.0.0.1', '::1', ...own, ...settings['tls-san']])]
}

/**
 * Reads `ca.crt`, `ca.key` and, while the CA is being replaced, `bundle.crt`. Throws UserError CA_UNREADABLE,
 * CA_INVALID.
 */
export function readAuthority(folder: string): SigningAuthority {
  const path = join(folder, 'ca.crt')
  const authority = { cert: read(path), key: read(join(folder, 'ca.key')) }
  try {
    const certificate = new X509Certificate(authority.cert)
    if (!certificate.ca) throw new Error('it is no CA')
    if (!certificate.checkPrivateKey(createPrivateKey(authority.key)))
      throw new Error('ca.key does not belong to it')
    const weakness = weaknessOf(certificate.publicKey)
    if (weakness !== undefined) throw new Error(weakness)
    if (Date.parse(certificate.validTo) < Date.now()) throw new Error(`it expired on ${certificate.validTo}`)
    const bundlePath = join(folder, 'bundle.crt')
    const bundle = existsSync(bundlePath) ? read(bundlePath) : authority.cert
    return { authority, bundle, path }
  } catch (cause) {
    throw new UserError('CA_INVALID', `${path} cannot be used: ${reasonOf(cause)}`, {
      hint: '--tls-ca takes a folder with ca.crt, a CA, and ca.key, its private key, both PEM.',
      cause,
    })
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UserError('CA_UNREADABLE', `${path} cannot be read: ${reasonOf(cause)}`, {
      hint: '--tls-ca takes a folder with ca.crt and ca.key.',
      cause,
    })
  }
}

async function loadAuthority(folder: string, names: readonly string[]): Promise<CertificateAuthority> {
  makeFolder(folder)
  const [certPath, keyPath] = [join(folder, 'ca.crt'), join(folder, 'ca.key')]
  if (existsSync(certPath) && existsSync(keyPath)) {
    return { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') }
  }
  const made = await makeAuthority(
    names.filter((name) => isIP(name) === 0),
    names.filter((name) => isIP(name) !== 0),
    webcrypto as Crypto,
  )
  putFile(keyPath, made.key)
  putFile(certPath, made.cert)
  return made
}

/** Writes the file atomically, readable by this user only. */
export function putFile(path: string, text: string): void {
  const part = `${path}.new`
  // A `.new` file left by another process would keep its mode and its other hard links.
  rmSync(part, { force: true })
  writeFileSync(part, text, { mode: 0o600, flag: 'wx' })
  renameSync(part, path)
}
