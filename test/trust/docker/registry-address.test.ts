import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerEngine, EngineKind } from '../../../src/trust/docker/engine.ts'
import { checkAddress, checkVerified } from '../../../src/trust/docker/registry-address.ts'
import { UserError } from '../../../src/user-error.ts'

const of = (kind: EngineKind): ContainerEngine => ({
  kind,
  endpoint: undefined,
  origin: 'test',
  instance: undefined,
  rootless: false,
})

test('dockerd is not told to trust what it does not verify', () => {
  for (const host of ['localhost:1', '127.0.0.1', '127.9.9.9:5000', '[::1]:5443']) {
    refused('LOOPBACK_NOT_VERIFIED', () => checkAddress(of('dockerd'), host, []))
  }
  for (const address of ['127.0.0.1', '127.3.2.1', '::1']) {
    refused('LOOPBACK_NOT_VERIFIED', () => checkAddress(of('dockerd'), 'trow.test:1', ['10.0.0.1', address]))
  }
  checkAddress(of('dockerd'), 'trow.test:1', ['10.0.0.1', 'fd00::1'])
  checkAddress(of('dockerd'), 'nowhere.test', [])
})

test('an engine in a VM is told the name of this machine', () => {
  for (const kind of ['docker-desktop', 'colima', 'rancher-desktop', 'orbstack', 'podman-machine'] as const) {
    const error = refused('LOOPBACK_IN_VM', () => checkAddress(of(kind), 'localhost:5443', []))
    assert.match(error.hint ?? '', /--registry host\.docker\.internal:5443/)
    assert.match(
      refused('LOOPBACK_IN_VM', () => checkAddress(of(kind), '[::1]:5443', [])).hint ?? '',
      /--registry host\.docker\.internal:5443/,
    )
    // The name may resolve to loopback on this machine, but not in the VM.
    checkAddress(of(kind), 'host.docker.internal:5443', ['127.0.0.1'])
  }
})

test('podman verifies on loopback too', () => {
  for (const host of ['localhost:5443', '127.0.0.1:5443']) checkAddress(of('podman'), host, ['127.0.0.1'])
})

test('a host or a range among the insecure registries is refused', () => {
  const insecure = { hosts: ['trow.test:5443'], ranges: ['127.0.0.0/8', '10.1.0.0/16', 'fd00::/8'] }
  for (const [host, addresses] of [
    ['trow.test:5443', []],
    ['10.1.2.3:5443', ['10.1.2.3']],
    ['other.test', ['10.1.2.3']],
    ['other.test', ['fd00::5']],
  ] as const) {
    refused('REGISTRY_INSECURE', () => checkVerified(of('dockerd'), host, addresses, insecure))
  }
  checkVerified(of('dockerd'), 'trow.test:5444', ['10.2.0.1', 'fe80::1'], insecure)
})

function refused(code: string, attempt: () => void): UserError {
  try {
    attempt()
  } catch (error) {
    assert.ok(error instanceof UserError)
    assert.equal(error.code, code)
    return error
  }
  assert.fail(`no ${code}`)
}
