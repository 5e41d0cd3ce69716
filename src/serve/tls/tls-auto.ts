import { webcrypto, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { issueLeaf, type CertificateAuthority } from '../../certificates/certificate-authority.ts'
import type { TlsPair } from '../../http/tls-context.ts'
import type { Log } from '../../log.ts'
import { makeFolder } from '../../new-folder.ts'
import { reasonOf } from '../../reason-of.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { FileChanged } from '../audit/file-change.ts'
import { openSigningAuthority, ownNames, putFile } from './signing-authority.ts'
import type { TlsSource } from './tls-source.ts'

const day = 24 * 3_600_000
const leafLife = 90 * day
const checkInterval = 3_600_000

/**
 * Issues a certificate from trow's own CA for the listen address and --tls-san, and keeps it in `<data>/tls`.
 * The certificate is renewed while the server runs, at half of its lifetime and when the CA changes, and at
 * the start if the names have changed.
 */
export async function automaticTls(settings: Settings, log: Log, changed: FileChanged): Promise<TlsSource> {
  const folder = join(settings.data, 'tls')
  const names = ownNames(settings)
  const source = await openSigningAuthority(settings, log, changed)
  const listeners: (() => void)[] = []
  makeFolder(folder)
  const issue = (): Promise<TlsPair> => renew(folder, source.current.authority, names)
  let pair = loadLeaf(folder, names, source.current.authority) ?? (await issue())
  const replace = (): void =>
    void issue().then(
      (next) => {
        pair = next
        for (const listener of listeners) listener()
        log.info('the certificate was renewed', { validTo: new X509Certificate(pair.cert).validTo })
      },
      (error: unknown) => log.error('the certificate could not be renewed', { reason: reasonOf(error) }),
    )
  const timer = setInterval(() => {
    if (isDue(pair)) replace()
  }, checkInterval)
  timer.unref()
  source.onChange(({ authority }) => {
    // Only the bundle may have changed.
    if (isIssuedBy(pair, authority)) for (const listener of listeners) listener()
    else replace()
  })
  return {
    get pair() {
      return pair
    },
    get own() {
      return source.current
    },
    onChange: (listener) => void listeners.push(listener),
    close() {
      clearInterval(timer)
      source.close()
    },
  }
}

async function renew(
  folder: string,
  authority: CertificateAuthority,
  names: readonly string[],
): Promise<TlsPair> {
  const pair = await issueLeaf(authority, { names, life: leafLife }, webcrypto as Crypto)
  putFile(join(folder, 'tls.key'), pair.key)
  putFile(join(folder, 'tls.crt'), pair.cert)
  return pair
}

function loadLeaf(
  folder: string,
  names: readonly string[],
  authority: CertificateAuthority,
): TlsPair | undefined {
  const [certPath, keyPath] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
  if (!existsSync(certPath) || !existsSync(keyPath)) return undefined
  const pair = { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') }
  const certificate = new X509Certificate(pair.cert)
  const covered = names.every((name) =>
    isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name),
  )
  return covered && isIssuedBy(pair, authority) && !isDue(pair) ? pair : undefined
}

function isIssuedBy({ cert }: TlsPair, authority: CertificateAuthority): boolean {
  return new X509Certificate(cert).verify(new X509Certificate(authority.cert).publicKey)
}

function isDue(pair: TlsPair): boolean {
  const { validFrom, validTo } = new X509Certificate(pair.cert)
  return Date.now() > (Date.parse(validFrom) + Date.parse(validTo)) / 2
}
