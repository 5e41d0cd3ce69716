import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test, type TestContext } from 'node:test'
import { config, image, layer, push } from '../enforcement/images.ts'
import { denying } from '../enforcement/test-feed.ts'
import { missing, runProgram } from '../requirements.ts'
import { eventually, PolicyServer } from '../serve/policy-server.ts'
import { noRoot, startContainerd, startDockerd } from './daemon.ts'
import { makeHome } from './fixture.ts'

const app = image([config('amd64'), layer('app')])

suite('what somebody reads whose pull a policy refuses', () => {
  const registry = new PolicyServer()
  let env: Readonly<Record<string, string>> = {}
  let reference = ''

  before(async () => {
    await registry.start({ args: ['--audit', 'on'] })
    env = makeHome(join(registry.root, 'home'))
    reference = `${new URL(registry.server.url).host}/prod/app:1`
    await push(registry, 'prod/app', app, '1')
    const own = { digest: app.digest, reason: 'CVE-2024-3094', fix: 'use prod/app:2' }
    registry.write('deny.json', [denying(app.digest, { deny: [own] })])
    const status = async (): Promise<number> =>
      (await registry.send('HEAD', '/v2/prod/app/manifests/1')).status
    await eventually(async () => (await status()) === 403, 'it is denied')
  })
  after(() => registry[Symbol.asyncDispose]())

  /** A folder of a client's own. */
  function stateOf(client: string): string {
    const folder = join(registry.root, client)
    mkdirSync(folder)
    return folder
  }

  function isTold(context: TestContext, pull: () => unknown, words: readonly RegExp[] = whole): void {
    assert.throws(pull, (error: unknown) => {
      const text = String(error)
      context.diagnostic(text)
      for (const each of words) assert.match(text, each)
      return true
    })
  }
  const whole = [
    /refused by policy p/,
    /DENY_LIST/,
    /CVE-2024-3094/,
    /use prod\/app:2/,
    /policy explain [\w-]+/,
  ]

  test('podman', { skip: missing('podman') }, (context) => {
    const folder = stateOf('podman')
    const policy = join(folder, 'policy.json')
    writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}')
    const storage = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver=vfs']
    const args = [...storage, 'pull', '--signature-policy', policy, '--tls-verify=false', reference]
    isTold(context, () => runProgram('podman', args, { env }))
  })

  test('skopeo', { skip: missing('skopeo') }, (context) => {
    const args = ['inspect', '--tls-verify=false', `docker://${reference}`]
    isTold(context, () => runProgram('skopeo', args, { env }))
  })

  test('docker', { skip: missing('docker', 'dockerd') || noRoot('dockerd') }, async (context) => {
    const daemon = await startDockerd(stateOf('docker'))
    try {
      isTold(context, () =>
        runProgram('docker', ['-H', `unix://${daemon.socket}`, 'pull', reference], { env }),
      )
    } finally {
      await daemon.stop()
    }
  })

  test('containerd', { skip: missing('containerd', 'ctr') || noRoot('containerd') }, async (context) => {
    const daemon = await startContainerd(stateOf('ctr'))
    try {
      const args = ['-a', daemon.socket, 'images', 'pull', '--plain-http', reference]
      isTold(context, () => runProgram('ctr', args, { env }), [/403|denied/i])
    } finally {
      await daemon.stop()
    }
  })
})
