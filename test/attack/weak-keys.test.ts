import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { Verified } from '../../src/access/authority.ts'
import { OidcTokens } from '../../src/access/oidc.ts'
import { issueNodeCertificate, makeAuthority } from '../../src/certificates/certificate-authority.ts'
import { startGated } from '../support/gated-server.ts'
import { missing } from '../requirements.ts'
import { startServer } from '../support/server-process.ts'

suite('keys that are too weak', { skip: missing('openssl') }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-weak-'))
  const at = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): void =>
    void execFileSync('openssl', args, { stdio: 'ignore', timeout: 30_000 })
  const words = (text: string): string[] => text.split(' ')
  const authority = (name: string, bits: number): void => {
    const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)]
    const kind = words(`req -x509 -newkey rsa:${bits} -nodes -days 1 -subj /CN=${name}`)
    openssl(...kind, ...files, '-addext', 'basicConstraints=critical,CA:TRUE')
  }
  const client = (name: string, ca: string, bits: number): void => {
    writeFileSync(at('ext'), 'extendedKeyUsage=clientAuth\n')
    const request = ['-keyout', at(`${name}.key`), '-out', at(`${name}.csr`)]
    openssl(...words(`req -newkey rsa:${bits} -nodes -subj /CN=${name}`), ...request)
    const signer = ['-CA', at(`${ca}.crt`), '-CAkey', at(`${ca}.key`), '-CAcreateserial']
    const files = ['-in', at(`${name}.csr`), '-extfile', at('ext'), '-out', at(`${name}.crt`)]
    openssl(...words('x509 -req -days 1'), ...signer, ...files)
  }
  before(() => {
    authority('strong', 2048)
    authority('weak', 1024)
    client('jane', 'strong', 2048)
    client('joe', 'strong', 1024)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('no node gets a certificate for one', async () => {
    const ours = await makeAuthority(['trow.trow.svc'], [], crypto as Crypto)
    const asked = (name: string, ...key: string[]): Promise<string> => {
      openssl('genpkey', '-out', at(`${name}.key`), ...key)
      openssl('req', '-new', '-key', at(`${name}.key`), '-subj', '/CN=n1', '-out', at(`${name}.csr`))
      const request = readFileSync(at(`${name}.csr`), 'utf8')
      return issueNodeCertificate(ours, { node: 'n1', request, life: 3_600_000 }, crypto as Crypto)
    }
    const rsa = (bits: number, exponent = 65_537): string[] =>
      words(`-algorithm RSA -pkeyopt rsa_keygen_bits:${bits} -pkeyopt rsa_keygen_pubexp:${exponent}`)
    const ec = (curve: string): string[] => ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`]
    await assert.rejects(asked('n1', ...rsa(1024)), /1024 bits, and 2048 are the least/)
    await assert.rejects(asked('n2', ...rsa(2047)), /2047 bits/)
    await assert.rejects(asked('n3', ...rsa(2048, 3)), /the exponent 3/)
    await assert.rejects(asked('n4', ...ec('secp256k1')), /the curve secp256k1/)
    await assert.rejects(asked('n5', ...ec('prime192v1')), /the curve prime192v1/)
    for (const key of [rsa(2048), ec('P-256'), ec('P-384')])
      assert.match(await asked('n6', ...key), /BEGIN CERTIFICATE/)
  })

  test('the server starts with none, and says why', async () => {
    const started = async (...args: string[]): Promise<string> => {
      const server = await startServer({ data: at('data'), args })
      if ('died' in server) return server.died
      await server.stop()
      return 'it has started'
    }
    assert.match(
      await started('--tls-cert', at('weak.crt'), '--tls-key', at('weak.key')),
      /weak\.crt cannot be used: its RSA key has 1024 bits, and 2048 are the least \(TLS_INVALID\)/,
    )
    assert.match(
      await started('--tls-auto', '--client-ca', at('weak.crt')),
      /weak\.crt cannot be used: CN=weak: its RSA key has 1024 bits.*CLIENT_CA_INVALID/,
    )
  })

  test('a client certificate with one is nobody', async () => {
    const gated = await startGated(
      {
        'client-ca': at('strong.crt'),
        access: [{ who: ['jane', 'joe'], repositories: ['**'], actions: ['pull'] }],
      },
      ['--tls-auto'],
    )
    const status = (name: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const pair = { cert: readFileSync(at(`${name}.crt`)), key: readFileSync(at(`${name}.key`)) }
        // The client must accept weak keys itself, so that only the server can refuse them.
        const options = { ...pair, agent: false, rejectUnauthorized: false, ciphers: 'DEFAULT:@SECLEVEL=0' }
        https
          .get(`${gated.url}/v2/a/tags/list`, options, (reply) => {
            reply.resume()
            resolve(reply.statusCode)
          })
          .on('error', reject)
      })
    try {
      assert.equal(await status('jane'), 404)
      assert.equal(await status('joe'), 401)
    } finally {
      await gated.close()
    }
  })

  test('a token that its issuer signs with one is refused, and is no failure of the registry', async () => {
    const verdict = async (bits: number): Promise<Verified> => {
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits })
      const issuer = 'https://issuer.example'
      const tokens = new OidcTokens({
        issuers: [{ issuer, audiences: ['trow'], claims: {} }],
        fetchJson: (url) =>
          Promise.resolve(
            url.endsWith('/keys')
              ? { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256' }] }
              : { issuer, jwks_uri: `${issuer}/keys` },
          ),
        now: Date.now,
      })
      const exp = Math.floor(Date.now() / 1000) + 60
      return tokens.verify(signed({ iss: issuer, aud: 'trow', sub: 'me', exp }, privateKey))
    }
    assert.equal((await verdict(2048)).ok, true)
    const refused = await verdict(1024)
    assert.ok(!refused.ok)
    assert.match(refused.reason, /too weak/)
  })
})

function signed(claims: object, key: KeyObject): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ alg: 'RS256', kid: 'k' })}.${part(claims)}`
  const pem = key.export({ type: 'pkcs8', format: 'pem' })
  return `${text}.${sign('sha256', Buffer.from(text), createPrivateKey(pem)).toString('base64url')}`
}
