import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { TlsPair } from '../../http/tls-context.ts'
import type { Log } from '../../log.ts'
import { weaknessOf } from '../../key-strength.ts'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import type { TlsSource } from './tls-source.ts'
import { certificateChange, type FileChanged } from '../audit/file-change.ts'
import { watchValue } from '../watched-value.ts'

/**
 * Reads a certificate and its key, and reads them again when the files change. Throws UserError
 * TLS_UNREADABLE, TLS_INVALID, TLS_EXPIRED or CERT_KEY_MISMATCH.
 */
export function watchedTls(
  files: { readonly cert: string; readonly key: string },
  { log, changed }: { readonly log: Log; readonly changed: FileChanged },
): TlsSource {
  const watched = watchValue(() => readTlsPair(files), {
    files: [files.cert, files.key],
    log,
    changed: 'the certificate was replaced',
    refused: 'the certificate is not used as it is now, the old one stays',
    facts: ({ cert }) => ({ file: files.cert, validTo: new X509Certificate(cert).validTo }),
  })
  watched.onChange((pair, before) => {
    const change = certificateChange({ file: files.cert, of: 'server' }, before.cert, pair.cert)
    if (change !== undefined) changed(change)
  })
  return {
    get pair() {
      return watched.current
    },
    own: undefined,
    onChange: (listener) => watched.onChange(() => listener()),
    close: watched.close,
  }
}

/** Throws as `watchedTls`. */
export function readTlsPair(files: { readonly cert: string; readonly key: string }): TlsPair {
  const pair = { cert: read(files.cert), key: read(files.key) }
  const certificate = parse(files.cert, 'certificate', () => new X509Certificate(pair.cert))
  const key = parse(files.key, 'unencrypted private key', () => createPrivateKey(pair.key))
  if (!certificate.checkPrivateKey(key)) {
    throw new UserError(
      'CERT_KEY_MISMATCH',
      `the key ${files.key} does not belong to the certificate ${files.cert}`,
      {
        hint: 'Give the key that the certificate was made for; in a chain the own certificate comes first.',
      },
    )
  }
  const weakness = weaknessOf(key)
  if (weakness !== undefined) {
    throw new UserError('TLS_INVALID', `the certificate ${files.cert} cannot be used: ${weakness}`, {
      hint: 'Make a new key and certificate; trow serve --tls-auto makes and renews its own.',
    })
  }
  if (Date.parse(certificate.validTo) < Date.now()) {
    throw new UserError('TLS_EXPIRED', `the certificate ${files.cert} expired on ${certificate.validTo}`, {
      hint: 'Renew it; trow serve --tls-auto makes and renews its own.',
    })
  }
  return pair
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UserError('TLS_UNREADABLE', `${path} cannot be read: ${reasonOf(cause)}`, {
      hint: 'Check --tls-cert and --tls-key.',
      cause,
    })
  }
}

function parse<Value>(path: string, what: string, make: () => Value): Value {
  try {
    return make()
  } catch (cause) {
    throw new UserError('TLS_INVALID', `${path} holds no ${what} in PEM`, {
      hint: '--tls-cert takes a certificate, --tls-key its unencrypted private key, both PEM.',
      cause,
    })
  }
}
