import assert from 'node:assert/strict'
import https from 'node:https'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { containers, pod, reviewText } from '../admission/reviews.ts'
import { config, image, layer, push } from '../enforcement/images.ts'
import { eventually } from '../support/program.ts'
import { AdmissionInstall } from './admission-process.ts'

const podOf = (name: string): string =>
  reviewText({ namespace: 'team', object: pod({ containers: containers(name) }) })
const named = podOf('docker.io/library/nginx:1')
const own = podOf('trow.example/team/app:1.0')

async function started(): Promise<AdmissionInstall> {
  const install = await new AdmissionInstall().start()
  install.policy({
    mode: 'enforce',
    default: 'deny',
    rules: [
      { scope: 'ghcr.io/acme', unverified: true },
      { scope: '@trow', require: { present: true } },
    ],
  })
  return install
}

suite('an admission process answers, and never with an error,', () => {
  test('while the registry is away; what it decided then is in the audit when the registry is back', async () => {
    await using install = await started()
    const whole = image([config('amd64'), layer('a')])
    await push(install, 'team/app', whole, '1.0')
    const admission = await install.admission()
    const byDigest = podOf(`trow.example/team/app@${whole.digest}`)
    assert.equal((await admission.review('/pods', byDigest)).isAllowed, true)
    await install.registry.kill()
    const byName = await admission.review('/pods', named)
    assert.match(byName.message, /NOT_ALLOWED/)
    assert.equal((await admission.review('/pods', podOf('ghcr.io/acme/app:1'))).isAllowed, true)
    const unknown = await admission.review('/pods', own)
    assert.match(unknown.message, /FACT_UPSTREAM the registry that has its content did not answer/)
    // The bytes of a digest that was seen are what they were.
    assert.equal((await admission.review('/pods', byDigest)).isAllowed, true)
    await install.restartRegistry()
    await eventually(async () => {
      const reasons = (await install.audit('admission')).map(({ data }) => String(data['reason']))
      assert.equal(reasons.filter((reason) => reason.includes('NOT_ALLOWED')).length, 1)
      assert.equal(reasons.filter((reason) => reason.includes('FACT_UPSTREAM')).length, 1)
    }, 30_000)
  })

  test('while the registry is frozen', async () => {
    await using install = await started()
    const admission = await install.admission()
    process.kill(install.registry.pid, 'SIGSTOP')
    try {
      assert.match((await admission.review('/pods', named)).message, /NOT_ALLOWED/)
      assert.match((await admission.review('/pods', own)).message, /FACT_TIMEOUT/)
    } finally {
      process.kill(install.registry.pid, 'SIGCONT')
    }
    await eventually(async () => assert.equal((await install.audit('admission')).length, 2), 30_000)
  })

  test('while the API server is away, and by what it knew of the rights of tenants', async () => {
    await using install = await started()
    const whole = image([config('amd64'), layer('a')])
    await push(install, 'open/app', whole, '1')
    await push(install, 'closed/app', whole, '1')
    const admission = await install.admission(['--tenants', 'enforce'])
    const open = podOf(`trow.example/open/app@${whole.digest}`)
    assert.equal((await admission.review('/pods', open)).isAllowed, true)
    install.api.isDown = true
    assert.match((await admission.review('/pods', named)).message, /NOT_ALLOWED/)
    assert.equal((await admission.review('/pods', open)).isAllowed, true)
    const unknown = await admission.review('/pods', podOf('trow.example/closed/app:1'))
    assert.match(unknown.message, /could not be checked, try again {2}RIGHTS_UNKNOWN/)
    await admission.ready()
  })

  test('until some seconds after a stop signal, while it is no longer ready', async () => {
    await using install = await started()
    const admission = await install.admission()
    // The API server keeps its connections; each ends with a reply, so that none is closed under a review.
    const agent = new https.Agent({ keepAlive: true })
    const kept = await admission.request('GET', '/readyz', undefined, agent)
    assert.deepEqual([kept.status, kept.connection], [200, 'keep-alive'])
    admission.child.kill('SIGTERM')
    await eventually(async () => {
      const { status, connection } = await admission.request('GET', '/readyz', undefined, agent)
      assert.deepEqual([status, connection], [503, 'close'])
    }, 3000)
    assert.equal((await admission.review('/pods', named)).isAllowed, false)
    await admission.exited
    assert.equal(admission.child.exitCode, 0)
    // What it decided last is recorded.
    await eventually(async () => assert.equal((await install.audit('admission')).length, 1), 10_000)
  })
})

suite('an admission process is not ready', () => {
  test('before the policies of the cluster are in force, whatever it had before', async () => {
    await using install = await started()
    const first = await install.admission()
    await first.kill()
    install.api.isDown = true
    const again = install.begin(['--data', install.at('admission-0')])
    await sleep(3000)
    await assert.rejects(again.ready())
    install.api.isDown = false
    await eventually(() => again.ready(), 20_000)
  })
})
