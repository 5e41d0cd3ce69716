import 'reflect-metadata'
import * as x509 from '@peculiar/x509'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/**
 * Makes a new key (PKCS #8, PEM) and a PKCS #10 request (RFC 2986, PEM) for it. The signer decides about all
 * other fields.
 */
export async function makeCertificateRequest(
  commonName: string,
  crypto: Crypto,
): Promise<{ readonly key: string; readonly request: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name: `CN=${commonName}`, keys, signingAlgorithm: algorithm },
    crypto,
  )
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  return { key: `${key}\n`, request: `${request.toString('pem')}\n` }
}
