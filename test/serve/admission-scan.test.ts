import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { config, image, layer, push } from '../enforcement/images.ts'
import { podOf } from '../scan/scanned-cluster.ts'
import { eventually } from '../support/program.ts'
import { AdmissionInstall, type AdmissionProcess } from './admission-process.ts'

suite('the scan of running pods by an admission process', () => {
  const install = new AdmissionInstall()
  let admission: AdmissionProcess

  before(async () => {
    await install.start()
    const app = image([config('amd64'), layer('a')])
    await push(install, 'team/app', app, '1')
    const runs = (name: string, written: string, digest?: string): void =>
      install.api.put({
        apiVersion: 'v1',
        kind: 'Pod',
        ...podOf({ name, images: [[written, digest === undefined ? '' : `x@${digest}`]] }),
      })
    runs('well', 'trow.example/team/app:1', app.digest)
    runs('unknown', 'trow.example/team/gone:1')
    runs('foreign', 'quay.io/evil/app:1')
    install.policy({
      mode: 'enforce',
      default: 'deny',
      rules: [{ scope: '@trow', require: { present: true } }],
    })
    admission = await install.admission()
  })
  after(() => install[Symbol.asyncDispose]())

  const kept = (): string => {
    const map = install.api.get('configmaps', 'trow-running', 'trow')
    return JSON.stringify(map?.['data'] ?? {})
  }

  test('asks the registry for content, and keeps what it found where commands read it', async () => {
    await eventually(() => {
      assert.match(kept(), /NOT_PRESENT/)
      assert.match(kept(), /NOT_ALLOWED/)
      return Promise.resolve()
    }, 30_000)
    assert.equal(await admission.metric('trow_scan_pods'), 3)
    assert.equal(await admission.metric('trow_scan_pods_violating'), 2)
    assert.equal(await admission.metric('trow_running_violations'), 2)
    assert.equal(await admission.metric('trow_scan_pods_unchecked'), 0)
  })

  test('judges anew by a changed policy', async () => {
    install.policy({ mode: 'warn', default: 'pass' })
    await eventually(async () => assert.equal(await admission.metric('trow_scan_pods_violating'), 0), 10_000)
    assert.equal(await admission.metric('trow_scan_pods'), 3)
  })
})
