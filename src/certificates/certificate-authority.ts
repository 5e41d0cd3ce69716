import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { createPublicKey } from 'node:crypto'
import { isIP } from 'node:net'
import { weaknessOf } from '../key-strength.ts'
import { decodeNameConstraints, encodeNameConstraints, nameConstraintsOid } from './name-constraints.ts'

export interface CertificateAuthority {
  /** PEM. */
  readonly cert: string
  /** PKCS #8, PEM. */
  readonly key: string
}

export interface Leaf {
  /** PEM, leaf first. */
  readonly cert: string
  /** PKCS #8, PEM. */
  readonly key: string
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const authorityLife = 10 * 365 * 24 * 3_600_000

/**
 * Loopback and private ranges (RFC 1918, RFC 6598, RFC 4193, link-local): the only addresses for which this
 * CA may sign, besides its own.
 */
const privateRanges = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
]

/**
 * Makes a CA with critical name constraints (RFC 5280, 4.2.1.10): users add it to keychains, and it must not
 * be able to sign for other sites.
 */
export async function makeAuthority(
  names: readonly string[],
  addresses: readonly string[],
  crypto: Crypto,
): Promise<CertificateAuthority> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const permitted = [...new Set([...names, 'localhost', 'host.docker.internal'])]
  const ranges = [...privateRanges, ...addresses.map((each) => `${each}/${isIP(each) === 4 ? 32 : 128}`)]
  const notBefore = new Date(Date.now() - 3_600_000)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=trow CA',
      serialNumber: serial(crypto),
      notBefore,
      notAfter: new Date(notBefore.getTime() + authorityLife),
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
        new x509.Extension(
          nameConstraintsOid,
          true,
          encodeNameConstraints(
            permitted.map((name) => name.replace(/^\*\./, '')),
            ranges,
          ),
        ),
      ],
    },
    crypto,
  )
  return { cert: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey, crypto) }
}

/** Returns the names and single addresses for which a CA was made; the next CA needs them too. */
export function namesOfAuthority(cert: string): { readonly names: string[]; readonly addresses: string[] } {
  const extension = new x509.X509Certificate(cert).getExtension(nameConstraintsOid)
  if (extension === null) return { names: [], addresses: [] }
  const { dnsNames, ranges } = decodeNameConstraints(new Uint8Array(extension.value))
  const single = ranges.flatMap((range) => /^(.*)\/(?:32|128)$/.exec(range)?.[1] ?? [])
  return { names: dnsNames, addresses: single.filter((address) => !/^[0:]+:0*1$/.test(address)) }
}

/**
 * Returns whether a CA of trow was made for a name (or a parent of it) or an address. A CA without
 * constraints was made for all.
 */
export function isCovered(host: string, cert: string): boolean {
  const { names, addresses } = namesOfAuthority(cert)
  if (names.length === 0) return true
  return isIP(host) === 0
    ? names.some((each) => host === each || host.endsWith(`.${each}`))
    : addresses.includes(host)
}

/**
 * Issues a client certificate for a node and the key of a PKCS #10 request: `system:node:NAME` in
 * `system:nodes`, as in kubelets' certificates of the cluster's own CA, with `uris` as its subjectAltName.
 * Throws if the request is invalid, is not signed by its own key, or has a key that is too weak.
 */
export async function issueNodeCertificate(
  authority: CertificateAuthority,
  {
    node,
    uris = [],
    request,
    life,
  }: {
    readonly node: string
    readonly uris?: readonly string[]
    readonly request: string
    readonly life: number
  },
  crypto: Crypto,
): Promise<string> {
  const asked = new x509.Pkcs10CertificateRequest(request)
  const spki = Buffer.from(asked.publicKey.rawData)
  const weakness = weaknessOf(createPublicKey({ key: spki, format: 'der', type: 'spki' }))
  if (weakness !== undefined) throw new Error(weakness)
  if (!(await asked.verify(crypto))) throw new Error('its signature is not by its own key')
  const issuer = new x509.X509Certificate(authority.cert)
  const notBefore = new Date(Date.now() - 300_000)
  const certificate = await x509.X509CertificateGenerator.create(
    {
      subject: `O=system:nodes, CN=system:node:${node}`,
      issuer: issuer.subject,
      serialNumber: serial(crypto),
      notBefore,
      notAfter: new Date(notBefore.getTime() + life),
      publicKey: asked.publicKey,
      signingKey: await signingKeyOf(authority, crypto),
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth], false),
        ...(uris.length === 0
          ? []
          : [
              new x509.SubjectAlternativeNameExtension(
                uris.map((value) => ({ type: 'url' as const, value })),
                false,
              ),
            ]),
        await x509.AuthorityKeyIdentifierExtension.create(issuer, false, crypto),
      ],
    },
    crypto,
  )
  return `${certificate.toString('pem')}\n${authority.cert}`
}

/** Issues a server certificate for names and addresses. `life` is in milliseconds. */
export async function issueLeaf(
  authority: CertificateAuthority,
  { names, life }: { readonly names: readonly string[]; readonly life: number },
  crypto: Crypto,
): Promise<Leaf> {
  const issuer = new x509.X509Certificate(authority.cert)
  const signingKey = await signingKeyOf(authority, crypto)
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const notBefore = new Date(Date.now() - 3_600_000)
  const certificate = await x509.X509CertificateGenerator.create(
    {
      subject: 'CN=trow',
      issuer: issuer.subject,
      serialNumber: serial(crypto),
      notBefore,
      notAfter: new Date(notBefore.getTime() + life),
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth], false),
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
          false,
        ),
        await x509.AuthorityKeyIdentifierExtension.create(issuer, false, crypto),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
      ],
    },
    crypto,
  )
  return {
    cert: `${certificate.toString('pem')}\n${authority.cert}`,
    key: await exportKey(keys.privateKey, crypto),
  }
}

function signingKeyOf(authority: CertificateAuthority, crypto: Crypto): Promise<CryptoKey> {
  return crypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(authority.key), algorithm, false, [
    'sign',
  ])
}

function serial(crypto: Crypto): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return Buffer.from(bytes).toString('hex')
}

async function exportKey(key: CryptoKey, crypto: Crypto): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`
}
