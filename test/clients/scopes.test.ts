import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { missing } from '../requirements.ts'
import { admin, openLoginFixture, refusal, type LoginFixture, type Session } from './login-scenario.ts'

interface Scenario {
  readonly host: string
  readonly folder: string
  /** Of an image layout with one image, and its digest. */
  readonly image: string
  readonly digest: string
  /** Makes a home without any login. */
  session(): Session
}

/**
 * Requests that need tokens with several scopes, one after another or at once: mounts between repositories, the catalogue,
 * deletions, referrers, and anonymous pulls beside authenticated ones.
 */
function suiteOfScopes(
  name: string,
  programs: readonly string[],
  run: (scenario: Scenario) => void | Promise<void>,
): void {
  suite(`scopes: ${name}`, { skip: missing(...programs) }, () => {
    let fixture: LoginFixture
    before(async () => (fixture = await openLoginFixture()))
    after(async () => void (await fixture.close()))

    test('asks for the scopes that it needs', () => {
      const { host, folder, image, digest } = fixture
      return run({ host, folder, image, digest, session: () => fixture.session(admin) })
    })
  })
}

const login = ['-u', admin.name, '-p', admin.password]

suiteOfScopes('crane', ['crane'], ({ host, image, session }) => {
  const { run } = session()
  const crane = (...args: string[]): string => run('crane', [...args, '--insecure'])
  run('crane', ['auth', 'login', host, ...login])
  crane('push', image, `${host}/team/app:1`)
  crane('copy', `${host}/team/app:1`, `${host}/public/app:1`)
  crane('copy', `${host}/team/app:1`, `${host}/other/app:1`)
  assert.match(crane('catalog', host), /other\/app/)
  assert.equal(crane('ls', `${host}/other/app`).trim(), '1')
  crane('delete', `${host}/other/app:1`)
  run('crane', ['auth', 'logout', host])
  crane('pull', `${host}/public/app:1`, 'crane.tar')
  assert.throws(() => crane('pull', `${host}/team/app:1`, 'crane.tar'), refusal)
})

suiteOfScopes('oras', ['oras'], ({ host, folder, session }) => {
  const { run } = session()
  const oras = (...args: string[]): string => run('oras', args)
  writeFileSync(join(folder, 'notes.txt'), 'hello')
  oras('login', host, '--plain-http', ...login)
  oras('push', '--plain-http', `${host}/team/files:1`, 'notes.txt')
  oras('cp', '--from-plain-http', '--to-plain-http', `${host}/team/files:1`, `${host}/other/files:1`)
  oras('attach', '--plain-http', '--artifact-type', 'a/b', `${host}/team/files:1`, 'notes.txt')
  assert.match(oras('discover', '--plain-http', '--format', 'json', `${host}/team/files:1`), /"a\/b"/)
  assert.match(oras('repo', 'ls', '--plain-http', host), /other\/files/)
  oras('manifest', 'delete', '--plain-http', '-f', `${host}/other/files:1`)
})

suiteOfScopes('helm', ['helm'], ({ host, folder, session }) => {
  const { run } = session()
  mkdirSync(join(folder, 'hello', 'templates'), { recursive: true })
  writeFileSync(join(folder, 'hello', 'Chart.yaml'), 'apiVersion: v2\nname: hello\nversion: 1.2.3\n')
  run('helm', ['package', 'hello'])
  run('helm', ['registry', 'login', host, '--plain-http', ...login])
  for (const repository of ['team/charts', 'other/charts']) {
    run('helm', ['push', 'hello-1.2.3.tgz', `oci://${host}/${repository}`, '--plain-http'])
    const chart = `oci://${host}/${repository}/hello`
    const back = join(folder, repository.replace('/', '-'))
    mkdirSync(back)
    run('helm', ['pull', chart, '--version', '1.2.3', '--plain-http', '-d', back])
  }
})

suiteOfScopes('cosign', ['cosign', 'crane'], ({ host, folder, image, digest, session }) => {
  const { run } = session()
  const cosign = (...args: string[]): string => run('cosign', args, { env: { COSIGN_PASSWORD: '' } })
  const config = join(folder, 'signing.json')
  const mediaType = 'application/vnd.dev.sigstore.signingconfig.v0.2+json'
  writeFileSync(config, JSON.stringify({ mediaType }))
  run('crane', ['auth', 'login', host, ...login])
  cosign('generate-key-pair')
  for (const repository of ['team/app', 'other/app']) {
    const reference = `${host}/${repository}@${digest}`
    run('crane', ['push', '--insecure', image, `${host}/${repository}:1`])
    const options = ['--allow-insecure-registry', '--signing-config', config, '--yes']
    cosign('sign', '--key', 'cosign.key', ...options, reference)
    const checks = ['--insecure-ignore-tlog', '--private-infrastructure', '--allow-insecure-registry']
    assert.match(cosign('verify', '--key', 'cosign.pub', ...checks, reference), new RegExp(digest))
  }
})

suiteOfScopes('regctl', ['regctl', 'crane'], ({ host, image, session }) => {
  const { run } = session()
  run('crane', ['auth', 'login', host, ...login])
  run('crane', ['push', '--insecure', image, `${host}/team/app:1`])
  run('regctl', ['registry', 'set', '--tls', 'disabled', host])
  run('regctl', ['registry', 'login', host, ...login])
  run('regctl', ['image', 'copy', `${host}/team/app:1`, `${host}/other/app:1`])
  assert.match(run('regctl', ['repo', 'ls', host]), /other\/app/)
  run('regctl', ['tag', 'delete', `${host}/other/app:1`])
})

suiteOfScopes('skopeo', ['skopeo'], ({ host, image, session }) => {
  const { run } = session()
  const skopeo = (...args: string[]): string => run('skopeo', ['--insecure-policy', ...args])
  const both = ['--src-tls-verify=false', '--dest-tls-verify=false']
  const at = (repository: string): string => `docker://${host}/${repository}:1`
  skopeo('login', host, '--tls-verify=false', ...login)
  skopeo('copy', '--dest-tls-verify=false', `oci:${image}:latest`, at('team/app'))
  for (const repository of ['public/app', 'other/app'])
    skopeo('copy', ...both, at('team/app'), at(repository))
  assert.match(skopeo('list-tags', '--tls-verify=false', `docker://${host}/other/app`), /"1"/)
  skopeo('delete', '--tls-verify=false', at('other/app'))
  skopeo('logout', host)
  skopeo('inspect', '--tls-verify=false', at('public/app'))
  assert.throws(() => skopeo('inspect', '--tls-verify=false', at('team/app')), refusal)
})

for (const program of ['podman', 'buildah']) {
  suiteOfScopes(program, [program, 'skopeo'], ({ host, folder, image, session }) => {
    const { home, run } = session()
    const policy = join(folder, 'policy.json')
    writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}')
    const places = ['--root', join(home, 'root'), '--runroot', join(home, 'run'), '--storage-driver', 'vfs']
    const options = ['--signature-policy', policy, '--tls-verify=false']
    const ask = (...args: string[]): string => run(program, [...places, ...args])
    const push = ['copy', '--insecure-policy', '--dest-tls-verify=false', `oci:${image}:latest`]
    run('skopeo', ['login', host, '--tls-verify=false', ...login])
    for (const repository of ['team/app', 'public/app'])
      run('skopeo', [...push, `docker://${host}/${repository}:1`])
    ask('pull', ...options, `${host}/team/app:1`)
    ask('push', ...options, `${host}/team/app:1`, `docker://${host}/other/app:1`)
    ask('pull', ...options, `${host}/other/app:1`)
    run('skopeo', ['logout', host])
    ask('rmi', '-a', '-f')
    ask('pull', ...options, `${host}/public/app:1`)
    assert.throws(() => ask('pull', ...options, `${host}/other/app:1`), refusal)
  })
}
