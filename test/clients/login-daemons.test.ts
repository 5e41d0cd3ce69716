import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { missing } from '../requirements.ts'
import { noRoot, startContainerd, startDockerd, type Daemon } from './daemon.ts'
import { tarOf } from './fixture.ts'
import {
  pusher,
  refusal,
  suiteOfLogin,
  type LoginFixture,
  type LoginTool,
  type Session,
} from './login-scenario.ts'

let daemon: Daemon | undefined
const close = async (): Promise<void> => daemon?.stop()

/** `ctr` has no login: credentials are an option of each command. */
async function containerd({ host, folder, image, digest }: LoginFixture): Promise<LoginTool> {
  daemon = await startContainerd(folder)
  const { socket } = daemon
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
  }
}

async function docker({ host, folder }: LoginFixture): Promise<LoginTool> {
  daemon = await startDockerd(folder)
  const archive = join(folder, 'files.tar')
  writeFileSync(archive, await tarOf({ 'hello.txt': randomBytes(100_000) }))
  return {
    login({ account, run }) {
      const args = ['login', '-u', account?.name ?? '', '--password-stdin', host]
      run('docker', args, { env: dockerEnv(), input: account?.password ?? '' })
    },
    push(session, repository) {
      return pushImage(session, `${host}/${repository}:1`, archive)
    },
    pull(session, repository) {
      return pullImage(session, `${host}/${repository}:1`)
    },
  }
}

function dockerEnv(): Readonly<Record<string, string>> {
  return { DOCKER_HOST: `unix://${daemon?.socket}` }
}

function pushImage({ run }: Session, name: string, archive: string): string {
  const env = dockerEnv()
  run('docker', ['import', archive, name], { env })
  try {
    return /digest: (sha256:\w+)/.exec(run('docker', ['push', name], { env }))?.[1] ?? ''
  } finally {
    run('docker', ['rmi', name], { env })
  }
}

function pullImage({ run }: Session, name: string): string {
  const env = dockerEnv()
  const printed = run('docker', ['pull', name], { env })
  run('docker', ['rmi', name], { env })
  assert.match(printed, /Pull complete/)
  return /Digest: (sha256:\w+)/.exec(printed)?.[1] ?? ''
}

suiteOfLogin('containerd', {
  skip: missing('containerd', 'ctr') || noRoot('containerd'),
  loginAsks: false,
  open: containerd,
  close,
})

suiteOfLogin(
  'docker',
  { skip: missing('docker', 'dockerd') || noRoot('dockerd'), loginAsks: true, open: docker, close },
  (parts) => {
    test('one daemon and one configuration: anonymous and logged in, in turn and at once', () => {
      const { fixture, tool } = parts()
      const { host } = fixture
      const session = fixture.session(pusher)
      const archive = join(fixture.folder, 'files.tar')
      const shared = tool.pull(session, 'public/app')
      assert.throws(() => tool.push(session, 'team/mixed'), refusal)
      tool.login?.(session)
      const pushed = tool.push(session, 'team/mixed')
      assert.equal(tool.pull(session, 'public/app'), shared)
      assert.equal(tool.pull(session, 'team/mixed'), pushed)
      // The login is for 127.0.0.1; by its other name the same server is asked by nobody in particular.
      const other = `localhost:${new URL(`http://${host}`).port}`
      assert.equal(pullImage(session, `${other}/public/app:1`), shared)
      assert.throws(() => pullImage(session, `${other}/team/mixed:1`), refusal)
      assert.throws(() => pushImage(session, `${other}/team/mixed:1`, archive), refusal)
      assert.match(pushImage(session, `${host}/team/mixed:1`, archive), /^sha256:/)
      session.run('docker', ['logout', host], { env: dockerEnv() })
      assert.equal(tool.pull(session, 'public/app'), shared)
      assert.throws(() => tool.pull(session, 'team/mixed'), refusal)
    })
  },
)
