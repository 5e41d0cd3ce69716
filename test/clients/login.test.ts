import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { missing } from '../requirements.ts'
import { runCommand } from '../support/run-trow.ts'
import {
  admin,
  denial,
  digestInLayout,
  refusal,
  suiteOfLogin,
  type LoginFixture,
  type LoginTool,
  type Session,
} from './login-scenario.ts'

const insecure = '--tls-verify=false'

/** `<program> <command> -u NAME --password-stdin HOST`, as nearly all have it. */
function logIn(program: string, command: readonly string[], host: string): (session: Session) => void {
  return ({ account, run }) => {
    const args = [...command, '-u', account?.name ?? '', '--password-stdin', host]
    run(program, args, { input: account?.password ?? '' })
  }
}

/** A new folder in which to find what was pulled. */
function backIn(session: Session): string {
  const back = join(session.home, 'back')
  rmSync(back, { recursive: true, force: true })
  return back
}

function skopeo({ host, image, digest }: LoginFixture): LoginTool {
  return {
    login: logIn('skopeo', ['login', insecure], host),
    push({ run }, repository) {
      const to = `docker://${host}/${repository}:1`
      run('skopeo', ['copy', '--insecure-policy', '--dest-tls-verify=false', `oci:${image}:latest`, to])
      return digest
    },
    pull(session, repository) {
      const back = backIn(session)
      const from = `docker://${host}/${repository}:1`
      const options = ['--insecure-policy', '--src-tls-verify=false']
      session.run('skopeo', ['copy', ...options, from, `oci:${back}:latest`])
      return digestInLayout(back)
    },
  }
}

/** podman and buildah: what is pushed is in a storage first, one in each home. */
function containerTool(program: string): (fixture: LoginFixture) => LoginTool {
  return ({ host, folder, image }) => {
    const policy = join(folder, 'policy.json')
    writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}')
    const inStorage = ({ home, run }: Session, args: readonly string[]): string => {
      const storage = [
        '--root',
        join(home, 'root'),
        '--runroot',
        join(home, 'run'),
        '--storage-driver',
        'vfs',
      ]
      return run(program, [...storage, ...args]).trim()
    }
    const signature = ['--signature-policy', policy]
    return {
      login: logIn(program, ['login', insecure], host),
      push(session, repository) {
        const id = inStorage(session, ['pull', ...signature, '-q', `oci:${image}:latest`])
        const file = join(session.home, 'digest')
        const options = [...signature, insecure, '--digestfile', file]
        inStorage(session, ['push', ...options, id, `docker://${host}/${repository}:1`])
        return readFileSync(file, 'utf8').trim()
      },
      pull(session, repository) {
        inStorage(session, ['rmi', '-a', '-f'])
        inStorage(session, ['pull', ...signature, '-q', insecure, `docker://${host}/${repository}:1`])
        return inStorage(session, ['images', '--digests', '--format', '{{.Digest}}'])
      },
    }
  }
}

function crane({ host, image, digest }: LoginFixture): LoginTool {
  return {
    login: logIn('crane', ['auth', 'login'], host),
    push({ run }, repository) {
      run('crane', ['push', '--insecure', image, `${host}/${repository}:1`])
      return digest
    },
    pull(session, repository) {
      const back = backIn(session)
      session.run('crane', ['pull', '--insecure', '--format=oci', `${host}/${repository}:1`, back])
      return digestInLayout(back)
    },
  }
}

function oras({ host, image, digest }: LoginFixture): LoginTool {
  return {
    login: logIn('oras', ['login', '--plain-http'], host),
    push({ run }, repository) {
      run('oras', [
        'cp',
        '--from-oci-layout',
        '--to-plain-http',
        `${image}:latest`,
        `${host}/${repository}:1`,
      ])
      return digest
    },
    pull(session, repository) {
      const back = backIn(session)
      const from = `${host}/${repository}:1`
      session.run('oras', ['cp', '--from-plain-http', '--to-oci-layout', from, `${back}:latest`])
      return digestInLayout(back)
    },
  }
}

/** Charts: the digest is that of the archive. A push adds the chart's name to the repository. */
function helm({ host, folder, session }: LoginFixture): LoginTool {
  const chart = join(folder, 'hello')
  mkdirSync(join(chart, 'templates'), { recursive: true })
  writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: hello\nversion: 1.2.3\n')
  session().run('helm', ['package', 'hello'])
  const digestOf = (path: string): string =>
    `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`
  const archive = 'hello-1.2.3.tgz'
  return {
    login: logIn('helm', ['registry', 'login', '--plain-http'], host),
    push({ run }, repository) {
      run('helm', ['push', '--plain-http', archive, `oci://${host}/${repository}`])
      return digestOf(join(folder, archive))
    },
    pull(who, repository) {
      const back = backIn(who)
      mkdirSync(back)
      const from = `oci://${host}/${repository}/hello`
      who.run('helm', ['pull', '--plain-http', '--version', '1.2.3', '-d', back, from])
      return digestOf(join(back, archive))
    },
  }
}

/** A push signs an image that is there; a pull verifies it. */
function cosign({ host, folder, image, digest, session }: LoginFixture): LoginTool {
  const keeper = session(admin)
  logIn('crane', ['auth', 'login'], host)(keeper)
  for (const repository of ['public/app', 'public/new', 'team/app', 'team/kept', 'other/app'])
    keeper.run('crane', ['push', '--insecure', image, `${host}/${repository}:1`])
  const env = { COSIGN_PASSWORD: '' }
  keeper.run('cosign', ['generate-key-pair'], { env })
  const config = join(folder, 'signing.json')
  const mediaType = 'application/vnd.dev.sigstore.signingconfig.v0.2+json'
  writeFileSync(config, JSON.stringify({ mediaType }))
  return {
    login: logIn('cosign', ['login'], host),
    push({ run }, repository) {
      const options = ['--allow-insecure-registry', '--signing-config', config, '--yes']
      run('cosign', ['sign', '--key', 'cosign.key', ...options, `${host}/${repository}@${digest}`], { env })
      return digest
    },
    pull({ run }, repository) {
      const options = ['--insecure-ignore-tlog', '--private-infrastructure', '--allow-insecure-registry']
      const printed = run('cosign', [
        'verify',
        '--key',
        'cosign.pub',
        ...options,
        `${host}/${repository}@${digest}`,
      ])
      return /sha256:[0-9a-f]{64}/.exec(printed)?.[0] ?? ''
    },
  }
}

suiteOfLogin('skopeo', { skip: missing('skopeo'), loginAsks: true, open: skopeo }, (parts) => {
  test('a robot logs in, and is bound to what it was given', async () => {
    const { fixture, tool } = parts()
    const grants = ['--repository', 'team/robot/**', '--action', 'pull,push']
    const made = await runCommand([
      'robot',
      'create',
      'ci',
      ...grants,
      '--data',
      fixture.data,
      '--output',
      'json',
    ])
    assert.equal(made.code, 0, made.stderr)
    const { username: name, password } = JSON.parse(made.stdout) as { username: string; password: string }
    const session = fixture.session({ name, password })
    tool.login?.(session)
    assert.equal(tool.push(session, 'team/robot/app'), tool.pull(session, 'team/robot/app'))
    assert.throws(() => tool.push(session, 'team/app'), denial)
    const wrong = fixture.session({ name, password: `${password.slice(0, -1)}_` })
    assert.throws(() => tool.login?.(wrong), refusal)
  })
})
for (const program of ['podman', 'buildah']) {
  suiteOfLogin(program, { skip: missing(program), loginAsks: true, open: containerTool(program) })
}
suiteOfLogin('crane', { skip: missing('crane'), loginAsks: false, open: crane })
suiteOfLogin('oras', { skip: missing('oras'), loginAsks: true, open: oras })
suiteOfLogin('helm', {
  skip: missing('helm'),
  loginAsks: true,
  open: helm,
})
suiteOfLogin('cosign', { skip: missing('cosign', 'crane'), loginAsks: false, open: cosign })
