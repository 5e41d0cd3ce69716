import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerEngine, EngineKind } from '../../../src/trust/docker/engine.ts'
import { findEngines, type FoundEngines } from '../../../src/trust/docker/find-engines.ts'
import type { DeveloperMachine } from '../../../src/trust/docker/machine.ts'
import { UserError } from '../../../src/user-error.ts'
import { contextFiles, recordedMachine } from './recorded-machine.ts'

interface Place {
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly uid?: number
}

function find(platform: DeveloperMachine['platform'], place: Place, wanted?: EngineKind): FoundEngines {
  const { machine, close } = recordedMachine(platform, place)
  try {
    return findEngines(machine, wanted)
  } finally {
    close()
  }
}

type Facts = Pick<ContainerEngine, 'kind'> & Partial<Pick<ContainerEngine, 'instance' | 'rootless'>>

const rows: readonly (readonly [string, DeveloperMachine['platform'], string, string, Facts])[] = [
  [
    'Docker Desktop',
    'darwin',
    'desktop-linux',
    'unix:///Users/a/.docker/run/docker.sock',
    { kind: 'docker-desktop' },
  ],
  [
    'Docker Desktop on Linux',
    'linux',
    'desktop-linux',
    'unix:///home/a/.docker/desktop/docker.sock',
    { kind: 'docker-desktop' },
  ],
  [
    'Docker Desktop on Windows',
    'win32',
    'desktop-linux',
    'npipe:////./pipe/dockerDesktopLinuxEngine',
    { kind: 'docker-desktop' },
  ],
  ['colima', 'darwin', 'colima', 'unix:///Users/a/.colima/default/docker.sock', { kind: 'colima' }],
  [
    'a profile of colima',
    'darwin',
    'colima-work',
    'unix:///Users/a/.colima/work/docker.sock',
    { kind: 'colima', instance: 'work' },
  ],
  [
    'colima in XDG',
    'darwin',
    'colima',
    'unix:///Users/a/.config/colima/default/docker.sock',
    { kind: 'colima' },
  ],
  ['OrbStack', 'darwin', 'orbstack', 'unix:///Users/a/.orbstack/run/docker.sock', { kind: 'orbstack' }],
  [
    'Rancher Desktop',
    'darwin',
    'rancher-desktop',
    'unix:///Users/a/.rd/docker.sock',
    { kind: 'rancher-desktop' },
  ],
  [
    'Rancher Desktop on Linux',
    'linux',
    'rancher-desktop',
    'unix:///home/a/.rd/docker.sock',
    { kind: 'rancher-desktop' },
  ],
  [
    'podman machine',
    'darwin',
    'podman',
    'unix:///var/folders/x/T/podman/podman-machine-default-api.sock',
    { kind: 'podman-machine' },
  ],
  [
    'another podman machine',
    'darwin',
    'podman',
    'unix:///Users/a/.local/share/containers/podman/machine/big/podman.sock',
    { kind: 'podman-machine', instance: 'big' },
  ],
  [
    'podman machine on Windows',
    'win32',
    'podman',
    'npipe:////./pipe/podman-machine-default',
    { kind: 'podman-machine' },
  ],
  [
    'podman',
    'linux',
    'podman',
    'unix:///run/user/501/podman/podman.sock',
    { kind: 'podman', rootless: true },
  ],
  ['dockerd', 'linux', 'other', 'unix:///var/run/docker.sock', { kind: 'dockerd' }],
  [
    'dockerd of a user',
    'linux',
    'rootless',
    'unix:///run/user/501/docker.sock',
    { kind: 'dockerd', rootless: true },
  ],
  ['dockerd on a local port', 'linux', 'port', 'tcp://127.0.0.1:2375', { kind: 'dockerd' }],
]

for (const [title, platform, name, host, expected] of rows) {
  test(`the docker context tells ${title}`, () => {
    const { chosen } = find(platform, { files: contextFiles(name, host) })
    const { kind, instance, rootless } = chosen
    assert.deepEqual({ kind, instance, rootless }, { instance: undefined, rootless: false, ...expected })
    assert.equal(chosen.origin, `docker context ${name}`)
  })
}

test('DOCKER_HOST comes before DOCKER_CONTEXT, that before the config', () => {
  const files = {
    ...contextFiles('colima', 'unix:///a/.colima/default/docker.sock'),
    ...contextFiles('orbstack', 'unix:///a/.orbstack/run/docker.sock', false),
  }
  assert.equal(find('darwin', { files }).chosen.kind, 'colima')
  const byContext = { files, env: { DOCKER_CONTEXT: 'orbstack' } }
  assert.equal(find('darwin', byContext).chosen.kind, 'orbstack')
  const byHost = { files, env: { DOCKER_CONTEXT: 'orbstack', DOCKER_HOST: 'unix:///a/.rd/docker.sock' } }
  const found = find('darwin', byHost)
  assert.equal(found.chosen.kind, 'rancher-desktop')
  assert.deepEqual(found.others.map(({ kind }) => kind).sort(), ['colima', 'orbstack'])
})

test('--engine chooses among those that are there', () => {
  const files = { ...contextFiles('colima', 'unix:///a/.colima/default/docker.sock'), 'bin/podman': '' }
  assert.equal(find('darwin', { files }, 'podman-machine').chosen.kind, 'podman-machine')
  refused('ENGINE_MISSING', () => find('darwin', { files }, 'orbstack'))
})

test('without a context: the default socket, then an installed dockerd, then podman', () => {
  const socket = { 'var/run/docker.sock': '', 'bin/podman': '' }
  assert.equal(find('linux', { files: socket }).chosen.kind, 'dockerd')
  assert.equal(find('linux', { files: { 'bin/dockerd': '', 'bin/podman': '' } }).chosen.kind, 'dockerd')
  // Uses darwin: on Linux the machine that runs this test may have dockerd in /usr/sbin.
  assert.equal(find('darwin', { files: { 'bin/podman': '' } }).chosen.kind, 'podman-machine')
  refused('ENGINE_MISSING', () => find('darwin', {}))
})

test('an engine of another machine is not made to trust anything from here', () => {
  for (const host of ['ssh://me@build', 'tcp://10.0.0.7:2376']) {
    refused('ENGINE_REMOTE', () => find('linux', { files: contextFiles('far', host) }))
  }
  refused('DOCKER_CONTEXT_UNKNOWN', () => find('linux', { env: { DOCKER_CONTEXT: 'none' } }))
})

function refused(code: string, attempt: () => unknown): void {
  assert.throws(attempt, (error) => error instanceof UserError && error.code === code)
}
