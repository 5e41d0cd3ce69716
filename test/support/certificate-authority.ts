import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const day = 24 * 3_600_000

export interface Subject {
  readonly user: string
  readonly groups?: readonly string[]
  /** Names and addresses that a server answers to. */
  readonly names?: readonly string[]
  /** Milliseconds from now. */
  readonly life?: number
}

/** PEM texts. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

/** The certificate authority of a cluster: `ca.crt` and `ca.key` in a folder. */
export class Authority {
  readonly file: string
  readonly keyFile: string

  constructor(folder: string) {
    this.file = join(folder, 'ca.crt')
    this.keyFile = join(folder, 'ca.key')
  }

  static async create(folder: string): Promise<Authority> {
    const authority = new Authority(folder)
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=cluster CA',
      notBefore: new Date(Date.now() - day),
      notAfter: new Date(Date.now() + 365 * day),
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature,
          true,
        ),
      ],
    })
    writeFileSync(authority.file, `${certificate.toString('pem')}\n`)
    writeFileSync(authority.keyFile, await exportKey(keys.privateKey), { mode: 0o600 })
    return authority
  }

  /** A client's certificate, and a server's too when there are names. */
  async issue({ user, groups = [], names = [], life = 300 * day }: Subject): Promise<Pair> {
    const issuer = new x509.X509Certificate(readFileSync(this.file, 'utf8'))
    const signingKey = await crypto.subtle.importKey(
      'pkcs8',
      x509.PemConverter.decodeFirst(readFileSync(this.keyFile, 'utf8')),
      algorithm,
      false,
      ['sign'],
    )
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const { clientAuth, serverAuth } = x509.ExtendedKeyUsage
    const certificate = await x509.X509CertificateGenerator.create({
      subject: [...groups.map((group) => ({ O: [group] })), { CN: [user] }],
      issuer: issuer.subject,
      notBefore: new Date(Date.now() - day),
      notAfter: new Date(Date.now() + life),
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(names.length > 0 ? [clientAuth, serverAuth] : [clientAuth]),
        ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names.map(alternative))] : []),
      ],
    })
    return { cert: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) }
  }
}

/** A PKCS #10 request, PEM, and its key. */
export async function makeCertificateRequest(
  name: string,
): Promise<{ readonly request: string; readonly key: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: algorithm,
  })
  return { request: request.toString('pem'), key: await exportKey(keys.privateKey) }
}

/** What signs the tokens of service accounts, and what verifies them. */
export function makeTokenKeys(): { readonly publicKey: string; readonly privateKey: string } {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
}

function alternative(value: string): { type: 'dns' | 'ip'; value: string } {
  return { type: isIP(value) === 0 ? 'dns' : 'ip', value }
}

async function exportKey(key: CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`
}
