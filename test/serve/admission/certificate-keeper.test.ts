import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import assert from 'node:assert/strict'
import { webcrypto, X509Certificate } from 'node:crypto'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  issueLeaf,
  makeAuthority,
  type CertificateAuthority,
} from '../../../src/certificates/certificate-authority.ts'
import { admissionNames } from '../../../src/cluster/admission-layout.ts'
import { ClusterFault } from '../../../src/cluster/cluster-fault.ts'
import { secretText } from '../../../src/cluster/config-data.ts'
import type { TlsPair } from '../../../src/http/tls-context.ts'
import { CertificateKeeper } from '../../../src/serve/admission/certificate-keeper.ts'
import type { CertificateMakers } from '../../../src/serve/admission/webhook-certificates.ts'
import { quiet } from '../../registry/stores.ts'
import { FakeObjects } from '../../support/fake-objects.ts'

const host = 'trow-admission.trow.svc'
const day = 24 * 3_600_000
const crypto = webcrypto as Crypto
const reference = { apiVersion: 'v1', kind: 'Secret', namespace: 'trow', name: admissionNames.certificate }
const make: CertificateMakers = {
  authority: (name) => makeAuthority([name], [], crypto),
  leaf: (authority, name) => issueLeaf(authority, { names: [name], life: 90 * day }, crypto),
}

/** Two pods that follow one Secret, and a clock. */
class Pods {
  readonly objects = new FakeObjects()
  readonly clock = { wall: Date.now(), monotonic: 0 }
  readonly pairs: TlsPair[][] = [[], []]
  readonly keepers = [0, 1].map(
    (pod) =>
      new CertificateKeeper({
        objects: this.objects,
        namespace: 'trow',
        host,
        make,
        now: () => this.clock.wall,
        monotonic: () => this.clock.monotonic,
        onPair: (pair) => this.pairs[pod]?.push(pair),
        log: quiet,
        settle: 1000,
      }),
  ) as [CertificateKeeper, CertificateKeeper]

  async start(): Promise<this> {
    this.objects.put({ ...reference, metadata: reference, type: 'Opaque' })
    for (const keeper of this.keepers) void keeper.follow()
    await sleep(10)
    return this
  }

  text(key: string): string | undefined {
    return secretText(
      this.objects.objects.find(({ kind }) => kind === 'Secret'),
      key,
    )
  }

  /** Has a CA of which a tenth is left. Returns it, PEM. */
  async age(): Promise<string> {
    const authority = await oldAuthority()
    const leaf = await make.leaf(authority, host)
    const data = {
      'ca.crt': encoded(authority.cert),
      'ca.key': encoded(authority.key),
      'tls.crt': encoded(leaf.cert),
      'tls.key': encoded(leaf.key),
    }
    await this.objects.patch(reference, { data })
    await sleep(10)
    return authority.cert
  }

  close(): void {
    for (const keeper of this.keepers) keeper.close()
  }
}

suite('the certificate of the webhook', () => {
  test('is made once, and both pods show it', async () => {
    const pods = await new Pods().start()
    const [one, two] = pods.keepers
    await Promise.all([one.keep(undefined), two.keep(undefined)])
    await sleep(10)
    await Promise.all([one.keep(undefined), two.keep(undefined)])
    const shown = pods.pairs.map((each) => each.at(-1)?.cert)
    assert.equal(shown[0], shown[1])
    assert.equal(shown[0], pods.text('tls.crt'))
    const leaf = new X509Certificate(shown[0] ?? '')
    assert.equal(leaf.checkHost(host), host)
    assert.equal(leaf.checkHost('trow-admission.other.svc'), undefined)
    pods.close()
  })

  test('is renewed when a third of its life is left, by the same CA', async () => {
    const pods = await new Pods().start()
    const [keeper] = pods.keepers
    await keeper.keep(undefined)
    const [ca, leaf] = [pods.text('ca.crt'), pods.text('tls.crt')]
    pods.clock.wall += 59 * day
    await keeper.keep(undefined)
    assert.equal(pods.text('tls.crt'), leaf)
    pods.clock.wall += 2 * day
    await keeper.keep(undefined)
    assert.notEqual(pods.text('tls.crt'), leaf)
    assert.equal(pods.text('ca.crt'), ca)
    pods.close()
  })

  test('whose CA is replaced is trusted at every moment of it, by pods that are late too', async () => {
    const pods = await new Pods().start()
    const [keeper] = pods.keepers
    const first = await pods.age()
    let inForce = keeper.bundle
    const steps: string[] = []
    for (let step = 0; step < 12; step++) {
      // The API servers trust what was in force before the step; the other pod may still show what it had before it.
      const trusted = inForce ?? ''
      const late = pods.pairs[1]?.at(-1)?.cert ?? ''
      await keeper.keep(inForce)
      await sleep(5)
      for (const leaf of [late, pods.text('tls.crt') ?? ''])
        assert.ok(isTrusted(leaf, trusted), `step ${step}: a certificate is shown that nobody trusts`)
      const names = ['next.crt', 'previous.crt'].filter((key) => pods.text(key) !== undefined)
      steps.push(names.join(' '))
      inForce = keeper.bundle
      pods.clock.monotonic += 1001
    }
    assert.deepEqual([...new Set(steps)], ['next.crt', 'previous.crt', ''])
    assert.notEqual(pods.text('ca.crt'), first)
    pods.close()
  })

  test('does not go to the next CA before the webhook configuration has had it for a while', async () => {
    const pods = await new Pods().start()
    const [keeper] = pods.keepers
    const first = await pods.age()
    await keeper.keep(keeper.bundle)
    const stays = async (inForce: string | undefined, step: number): Promise<void> => {
      for (let each = 0; each < 3; each++) {
        pods.clock.monotonic += step
        await keeper.keep(inForce)
        assert.equal(pods.text('ca.crt'), first)
      }
    }
    await stays(undefined, 5000)
    await stays(first, 5000)
    await stays(keeper.bundle, 333)
    pods.clock.monotonic += 400
    await keeper.keep(keeper.bundle)
    assert.notEqual(pods.text('ca.crt'), first)
    pods.close()
  })

  test('that another pod has written meanwhile is not written over', async () => {
    const pods = await new Pods().start()
    const [keeper] = pods.keepers
    let isFirst = true
    pods.objects.fault = (verb, kind) => {
      if (verb !== 'patch' || kind !== 'Secret' || !isFirst) return
      isFirst = false
      throw new ClusterFault('refused', 'the object has been modified', { status: 409 })
    }
    await keeper.keep(undefined)
    assert.equal(pods.text('tls.crt'), undefined)
    await keeper.keep(undefined)
    assert.notEqual(pods.text('tls.crt'), undefined)
    pods.close()
  })

  test('that was emptied is made anew, and until then the pods show what they had', async () => {
    const pods = await new Pods().start()
    const [keeper, other] = pods.keepers
    await keeper.keep(undefined)
    await sleep(10)
    const shown = pods.pairs[1]?.at(-1)
    await pods.objects.patch(reference, { data: null })
    await sleep(10)
    assert.equal(pods.pairs[1]?.at(-1), shown)
    assert.equal(other.bundle, undefined)
    await keeper.keep(undefined)
    await sleep(10)
    assert.notEqual(pods.pairs[1]?.at(-1)?.cert, shown?.cert)
    pods.close()
  })
})

async function oldAuthority(): Promise<CertificateAuthority> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=trow CA',
    notBefore: new Date(Date.now() - 3285 * day),
    notAfter: new Date(Date.now() + 365 * day),
    keys,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  })
  const key = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return {
    cert: `${certificate.toString('pem')}\n`,
    key: `${x509.PemConverter.encode(key, 'PRIVATE KEY')}\n`,
  }
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64')
}

function isTrusted(leaf: string, bundle: string): boolean {
  const certificate = new X509Certificate(leaf)
  const authorities = bundle.match(/-----BEGIN[^]*?-----END CERTIFICATE-----/g) ?? []
  return authorities.some((each) => certificate.verify(new X509Certificate(each).publicKey))
}
