import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { missing } from '../requirements.ts'
import { noRoot, startContainerd, startDockerd } from './daemon.ts'
import { tarOf } from './fixture.ts'
import {
  pusher,
  refusal,
  suiteOfLogin,
  type LoginFixture,
  type LoginTool,
  type Session,
} from './login-scenario.ts'

/** `ctr` has no login: credentials are an option of each command. */
async function containerd({ host, folder, image, digest }: LoginFixture): Promise<LoginTool> {
  const { socket, stop } = await startContainerd(folder)
  const ctr = ({ run }: Session, ...args: string[]): string => run('ctr', ['--address', socket, ...args])
  const options = ({ account }: Session): string[] => [
    '--plain-http',
    ...(account === undefined ? [] : ['--user', `${account.name}:${account.password}`]),
  ]
  const archive = join(folder, 'image.tar')
  return {
    push(session, repository) {
      const name = `${host}/${repository}`
      session.run('tar', ['-C', image, '-cf', archive, '.'])
      ctr(session, 'images', 'import', '--base-name', name, '--no-unpack', archive)
      try {
        ctr(session, 'images', 'push', ...options(session), `${name}:1`, `${name}:latest`)
      } finally {
        ctr(session, 'images', 'rm', '--sync', `${name}:latest`)
      }
      assert.equal(ctr(session, 'content', 'ls', '-q'), '')
      return digest
    },
    pull(session, repository) {
      const name = `${host}/${repository}:1`
      ctr(session, 'content', 'fetch', ...options(session), name)
      const found = ctr(session, 'images', 'ls', `name==${name}`)
      const kept = ctr(session, 'content', 'ls', '-q').split('\n')
      ctr(session, 'images', 'rm', '--sync', name)
      const fetched = /sha256:[0-9a-f]{64}/.exec(found)?.[0] ?? ''
      assert.ok(kept.includes(fetched))
      return fetched
    },
    close: stop,
  }
}

interface DockerTool extends LoginTool {
  pushImage(session: Session, image: string): string
  pullImage(session: Session, image: string): string
  logout(session: Session): void
}

async function docker({ host, folder }: LoginFixture): Promise<DockerTool> {
  const { socket, stop } = await startDockerd(folder)
  const archive = join(folder, 'files.tar')
  writeFileSync(archive, await tarOf({ 'hello.txt': randomBytes(100_000) }))
  const ask = ({ run }: Session, args: readonly string[], input = ''): string =>
    run('docker', args, { env: { DOCKER_HOST: `unix://${socket}` }, input })
  const pushImage = (session: Session, image: string): string => {
    ask(session, ['import', archive, image])
    try {
      return /digest: (sha256:\w+)/.exec(ask(session, ['push', image]))?.[1] ?? ''
    } finally {
      ask(session, ['rmi', image])
    }
  }
  const pullImage = (session: Session, image: string): string => {
    const printed = ask(session, ['pull', image])
    ask(session, ['rmi', image])
    assert.match(printed, /Pull complete/)
    return /Digest: (sha256:\w+)/.exec(printed)?.[1] ?? ''
  }
  return {
    login(session) {
      const { name = '', password = '' } = session.account ?? {}
      ask(session, ['login', '-u', name, '--password-stdin', host], password)
    },
    logout: (session) => void ask(session, ['logout', host]),
    push: (session, repository) => pushImage(session, `${host}/${repository}:1`),
    pull: (session, repository) => pullImage(session, `${host}/${repository}:1`),
    pushImage,
    pullImage,
    close: stop,
  }
}

suiteOfLogin('containerd', {
  skip: missing('containerd', 'ctr') || noRoot('containerd'),
  loginAsks: false,
  open: containerd,
})

suiteOfLogin(
  'docker',
  { skip: missing('docker', 'dockerd') || noRoot('dockerd'), loginAsks: true, open: docker },
  (parts) => {
    test('one daemon and one configuration: anonymous and logged in, in turn and at once', () => {
      const { fixture, tool } = parts()
      const { host } = fixture
      const session = fixture.session(pusher)
      const shared = tool.pull(session, 'public/app')
      assert.throws(() => tool.push(session, 'team/mixed'), refusal)
      tool.login?.(session)
      const pushed = tool.push(session, 'team/mixed')
      assert.equal(tool.pull(session, 'public/app'), shared)
      assert.equal(tool.pull(session, 'team/mixed'), pushed)
      // The login is for 127.0.0.1. Requests to the other name of the same server are anonymous.
      const other = `localhost:${new URL(`http://${host}`).port}`
      assert.equal(tool.pullImage(session, `${other}/public/app:1`), shared)
      assert.throws(() => tool.pullImage(session, `${other}/team/mixed:1`), refusal)
      assert.throws(() => tool.pushImage(session, `${other}/team/mixed:1`), refusal)
      assert.match(tool.pushImage(session, `${host}/team/mixed:1`), /^sha256:/)
      tool.logout(session)
      assert.equal(tool.pull(session, 'public/app'), shared)
      assert.throws(() => tool.pull(session, 'team/mixed'), refusal)
    })
  },
)
