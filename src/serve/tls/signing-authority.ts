import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { makeAuthority, type Authority } from '../../certificates/certificate-authority.ts'
import type { Log } from '../../log.ts'
import { weaknessOf } from '../../key-strength.ts'
import { makeFolder } from '../../new-folder.ts'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { putFile } from './put-file.ts'
import { watchValue } from './watched-value.ts'

/** trow's own CA: what it signs with, and whose certificates of nodes count. */
export interface SigningAuthority {
  readonly authority: Authority
  /** PEM: the signing one, and those before and after it while it is replaced. */
  readonly bundle: string
  /** Path of the certificate that clients must trust. */
  readonly path: string
}

/** The CA of a start, and news of it. */
export interface SigningAuthoritySource {
  readonly current: SigningAuthority
  onChange(listener: (authority: SigningAuthority) => void): void
  close(): void
}

/**
 * The CA in `--tls-ca`, read again when its files change; without the setting the one in `<data>/tls`, made where there is
 * none. Throws UserError CA_UNREADABLE, CA_INVALID.
 */
export async function openSigningAuthority(settings: Settings, log: Log): Promise<SigningAuthoritySource> {
  const given = settings['tls-ca']
  if (given !== undefined) {
    return watchValue(() => readAuthority(given), {
      name: 'the CA',
      log,
      facts: ({ authority, path }) => ({
        file: path,
        validTo: new X509Certificate(authority.cert).validTo,
      }),
    })
  }
  const folder = join(settings.data, 'tls')
  const authority = await loadAuthority(folder, ownNames(settings))
  const current = { authority, bundle: authority.cert, path: join(folder, 'ca.crt') }
  return { current, onChange: () => {}, close: () => {} }
}

/** Names and addresses for the certificate that the server makes for itself. */
export function ownNames(settings: Settings): string[] {
  const { host } = settings.listen
  const own = host === '0.0.0.0' || host === '::' ? [] : [host]
  return [...new Set(['localhost', '127.0.0.1', '::1', ...own, ...settings['tls-san']])]
}

/** `ca.crt`, `ca.key`, and where the CA is being replaced `bundle.crt`. */
function readAuthority(folder: string): SigningAuthority {
  const [path, keyPath, bundlePath] = ['ca.crt', 'ca.key', 'bundle.crt'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  const authority = { cert: read(path), key: read(keyPath) }
  try {
    const certificate = new X509Certificate(authority.cert)
    if (!certificate.ca) throw new Error('it is no CA')
    if (!certificate.checkPrivateKey(createPrivateKey(authority.key)))
      throw new Error('ca.key does not belong to it')
    const weakness = weaknessOf(certificate.publicKey)
    if (weakness !== undefined) throw new Error(weakness)
    if (Date.parse(certificate.validTo) < Date.now()) throw new Error(`it expired on ${certificate.validTo}`)
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

async function loadAuthority(folder: string, names: readonly string[]): Promise<Authority> {
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
