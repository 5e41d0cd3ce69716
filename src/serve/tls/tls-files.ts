import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { TlsPair } from '../../http/tls-context.ts'
import type { Log } from '../../log.ts'
import { weaknessOf } from '../../key-strength.ts'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import type { TlsSource } from './tls-source.ts'
import { watchValue } from './watched-value.ts'

/** A pair of files, read again when they change. Throws UserError TLS_UNREADABLE, TLS_INVALID, TLS_EXPIRED or CERT_KEY_MISMATCH. */
export function watchedTls(files: { readonly cert: string; readonly key: string }, log: Log): TlsSource {
  const watched = watchValue(() => readPair(files), {
    name: 'the certificate',
    log,
    facts: ({ cert }) => ({ file: files.cert, validTo: new X509Certificate(cert).validTo }),
  })
  return {
    get pair() {
      return watched.current
    },
    own: undefined,
    onChange: watched.onChange,
    close: watched.close,
  }
}

function readPair(files: { readonly cert: string; readonly key: string }): TlsPair {
  const pair = { cert: read(files.cert), key: read(files.key) }
  const certificate = parse(files.cert, () => new X509Certificate(pair.cert))
  const key = parse(files.key, () => createPrivateKey(pair.key))
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

function parse<Value>(path: string, make: () => Value): Value {
  try {
    return make()
  } catch (cause) {
    throw new UserError('TLS_INVALID', `${path} is not valid PEM: ${reasonOf(cause)}`, {
      hint: '--tls-cert takes a certificate, --tls-key its unencrypted private key, both PEM.',
      cause,
    })
  }
}
