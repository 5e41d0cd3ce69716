import { webcrypto, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { TlsPair } from '../../http/tls-context.ts'
import type { Log } from '../../log.ts'
import type { Settings } from '../settings-schema.ts'
import { issueLeaf, makeAuthority, type Authority } from '../../certificates/certificate-authority.ts'
import type { TlsSource } from './tls.ts'

const day = 24 * 3_600_000
const leafLife = 90 * day
const checkInterval = 3_600_000

/**
 * An own CA in `<data>/tls` and a leaf for the listen address and --tls-san. The leaf is renewed in process at half
 * of its life, or at the start when the names have changed; the CA stays.
 */
export async function automaticTls(settings: Settings, log: Log): Promise<TlsSource> {
  const folder = join(settings.data, 'tls')
  const names = namesOf(settings)
  const authority = await loadAuthority(folder, names)
  const listeners: ((pair: TlsPair) => void)[] = []
  let pair = loadLeaf(folder, names) ?? (await renew(folder, authority, names))
  const timer = setInterval(() => {
    if (!isDue(pair)) return
    renew(folder, authority, names).then(
      (next) => {
        pair = next
        for (const listener of listeners) listener(pair)
        log.info('the certificate was renewed', { validTo: new X509Certificate(pair.cert).validTo })
      },
      (error: unknown) =>
        log.error('the certificate could not be renewed', { reason: (error as Error).message }),
    )
  }, checkInterval)
  timer.unref()
  return {
    get pair() {
      return pair
    },
    caPath: join(folder, 'ca.crt'),
    onChange: (listener) => void listeners.push(listener),
    close: () => clearInterval(timer),
  }
}

export function namesOf(settings: Settings): string[] {
  const { host } = settings.listen
  const own = host === '0.0.0.0' || host === '::' ? [] : [host]
  return [...new Set(['localhost', '127.0.0.1', '::1', ...own, ...settings['tls-san']])]
}

/** The CA in `folder`, made where there is none. */
export async function loadAuthority(folder: string, names: readonly string[]): Promise<Authority> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const [certPath, keyPath] = [join(folder, 'ca.crt'), join(folder, 'ca.key')]
  if (existsSync(certPath) && existsSync(keyPath)) {
    return { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') }
  }
  const made = await makeAuthority(
    names.filter((name) => isIP(name) === 0),
    names.filter((name) => isIP(name) !== 0),
    webcrypto as Crypto,
  )
  put(keyPath, made.key)
  put(certPath, made.cert)
  return made
}

async function renew(folder: string, authority: Authority, names: readonly string[]): Promise<TlsPair> {
  const pair = await issueLeaf(authority, { names, life: leafLife }, webcrypto as Crypto)
  put(join(folder, 'tls.key'), pair.key)
  put(join(folder, 'tls.crt'), pair.cert)
  return pair
}

function loadLeaf(folder: string, names: readonly string[]): TlsPair | undefined {
  const [certPath, keyPath] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
  if (!existsSync(certPath) || !existsSync(keyPath)) return undefined
  const pair = { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') }
  const certificate = new X509Certificate(pair.cert)
  const covered = names.every((name) =>
    isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name),
  )
  return covered && !isDue(pair) ? pair : undefined
}

function isDue(pair: TlsPair): boolean {
  const { validFrom, validTo } = new X509Certificate(pair.cert)
  return Date.now() > (Date.parse(validFrom) + Date.parse(validTo)) / 2
}

/** Whole or not at all, and for this user only. */
function put(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
