import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { suite, test } from 'node:test'
import { issueLeaf } from '../../src/certificates/certificate-authority.ts'
import { admissionNames } from '../../src/cluster/admission-layout.ts'
import { secretText } from '../../src/cluster/config-data.ts'
import { containers, pod, reviewText } from '../admission/reviews.ts'
import { eventually } from '../support/program.ts'
import { AdmissionInstall, host } from './admission-process.ts'

const review = reviewText({ namespace: 'team', object: pod({ containers: containers('nginx') }) })

suite('the certificate of two admission processes', () => {
  test('is renewed and read again while reviews run, and none of them fails', async () => {
    await using install = await new AdmissionInstall().start()
    install.policy({ mode: 'enforce', default: 'deny' })
    const pods = await Promise.all([install.admission(), install.admission()])
    const text = (key: string): string => {
      const secret = install.api.get('secrets', admissionNames.certificate, 'trow')
      return secretText(secret, key) ?? ''
    }
    const state = { isRunning: true, answered: 0 }
    const reviews = Promise.all(
      pods.map(async (each) => {
        for (; state.isRunning; state.answered++)
          assert.equal((await each.review('/pods', review)).isAllowed, false)
      }),
    )
    // One of the CA that there is, which begins an hour ago and ends in some minutes.
    const authority = { cert: text('ca.crt'), key: text('ca.key') }
    const old = await issueLeaf(authority, { names: [host], life: 4_000_000 }, webcrypto as Crypto)
    const first = text('tls.crt')
    const secret = install.api.get('secrets', admissionNames.certificate, 'trow')
    const data = secret?.['data'] as Readonly<Record<string, string>>
    const encoded = (value: string): string => Buffer.from(value).toString('base64')
    install.api.put({
      ...secret,
      data: { ...data, 'tls.crt': encoded(old.cert), 'tls.key': encoded(old.key) },
    })
    await eventually(() => {
      assert.notEqual(text('tls.crt'), old.cert)
      assert.notEqual(text('tls.crt'), first)
      return Promise.resolve()
    }, 20_000)
    for (const each of pods)
      await eventually(() => {
        assert.equal(each.output.match(/another certificate is shown from now on/g)?.length, 2)
        return Promise.resolve()
      }, 10_000)
    state.isRunning = false
    await reviews
    assert.ok(state.answered > 20)
  })
})
