import assert from 'node:assert/strict'
import { webcrypto, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeAuthority } from '../../../src/certificates/certificate-authority.ts'
import { carryOut } from '../../../src/trust/docker/carry-out.ts'
import { containerFile } from '../../../src/trust/docker/certificate-file.ts'
import type { ContainerEngine, EngineKind } from '../../../src/trust/docker/engine.ts'
import { planTrust, planUndo } from '../../../src/trust/docker/plan-trust.ts'
import { consentsOf, type TrustPlan } from '../../../src/trust/docker/trust-step.ts'
import { UserError } from '../../../src/user-error.ts'
import { treeOf } from '../../support/private-machine.ts'
import { recordedMachine, type Answers, type RecordedMachine } from './recorded-machine.ts'

// None of these engines is installed here: the tests compare the commands with those in the vendors'
// documents.

const host = 'host.docker.internal:5443'
const { cert: ca } = await makeAuthority([], [], webcrypto as Crypto)
const hash = new X509Certificate(ca).fingerprint.replaceAll(':', '')
const certificate = `.docker/certs.d/${host}/trow-ca.crt`

function engine(kind: EngineKind, more: Partial<ContainerEngine> = {}): ContainerEngine {
  return { kind, endpoint: 'unix:///x', origin: 'test', instance: undefined, rootless: false, ...more }
}

/**
 * Plans, carries out and plans again: the second plan must be empty. Returns the commands of the first one.
 */
async function trust(
  recorded: RecordedMachine,
  kind: ContainerEngine,
  keychain = false,
): Promise<{ readonly plan: TrustPlan; readonly ran: readonly string[] }> {
  const plan = await planTrust(recorded.machine, kind, { host, ca, keychain })
  const ran = await carry(recorded, plan)
  assert.deepEqual((await planTrust(recorded.machine, kind, { host, ca, keychain })).steps, [])
  return { plan, ran }
}

async function carry(recorded: RecordedMachine, plan: TrustPlan): Promise<readonly string[]> {
  const before = recorded.calls.length
  await carryOut(recorded.machine, plan.steps, () => {})
  return recorded.calls.slice(before)
}

/** Undoes it; the machine's files must then be the original ones. */
async function undo(
  recorded: RecordedMachine,
  kind: ContainerEngine,
  tree: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const ran = await carry(recorded, await planUndo(recorded.machine, kind, host))
  assert.deepEqual(treeOf(recorded.root), tree)
  assert.deepEqual((await planUndo(recorded.machine, kind, host)).steps, [])
  return ran
}

/** A VM that stores the input of `sudo tee`, and a keychain that stores hashes. */
function living(): { readonly answers: Answers; readonly files: Map<string, string> } {
  const files = new Map<string, string>()
  const keychain = new Set<string>()
  const answers: Answers = (line, { args, input, program }) => {
    const path = args.at(-1) ?? ''
    if (line.includes('sudo tee')) files.set(path, String(input))
    if (line.includes('sudo rm')) files.delete(path)
    if (line.includes('sudo cat')) return { code: files.has(path) ? 0 : 1, stdout: files.get(path) ?? '' }
    if (program !== 'security' && program !== 'certutil') return undefined
    if (/^(?:add-trusted-cert|-addstore)$/.test(args[0] ?? '')) {
      const file = readFileSync(path, 'utf8')
      keychain.add(new X509Certificate(file).fingerprint.replaceAll(':', ''))
    }
    if (/delete-certificate|delstore/.test(line)) keychain.clear()
    if (line.includes('find-certificate'))
      return { stdout: [...keychain].map((each) => `SHA-1 hash: ${each}\n`).join('') }
    if (line.includes('-store Root')) return { code: keychain.has(path) ? 0 : 1 }
    return undefined
  }
  return { answers, files }
}

async function on(
  platform: 'linux' | 'darwin' | 'win32',
  options: Parameters<typeof recordedMachine>[1],
  work: (recorded: RecordedMachine, tree: Readonly<Record<string, string>>) => Promise<void>,
): Promise<void> {
  const recorded = recordedMachine(platform, options)
  try {
    await work(recorded, treeOf(recorded.root))
  } finally {
    recorded.close()
  }
}

test('Docker Desktop for Mac: the certificate folder, and a restart that is asked for', async () => {
  await on('darwin', {}, async (recorded, tree) => {
    const kind = engine('docker-desktop')
    const { plan, ran } = await trust(recorded, kind)
    assert.deepEqual(consentsOf(plan), ['restart'])
    assert.deepEqual(ran, ['docker desktop restart'])
    const file = readFileSync(join(recorded.root, 'home', certificate), 'utf8')
    assert.equal(new X509Certificate(file.slice(file.indexOf('-----'))).ca, true)
    assert.deepEqual(await undo(recorded, kind, tree), ['docker desktop restart'])
  })
})

test('an older Docker Desktop for Mac is quit and opened', async () => {
  const answers: Answers = (line) => (line === 'docker desktop version' ? { code: 1 } : undefined)
  await on('darwin', { answers }, async (recorded) => {
    const { ran } = await trust(recorded, engine('docker-desktop'))
    assert.deepEqual(ran, [`osascript -e 'quit app "Docker"'`, 'open -a Docker'])
  })
})

test('Docker Desktop for Mac with --keychain', async () => {
  await on('darwin', { answers: living().answers }, async (recorded, tree) => {
    const kind = engine('docker-desktop')
    const { plan, ran } = await trust(recorded, kind, true)
    assert.deepEqual(consentsOf(plan), ['keychain', 'restart'])
    const scratch = `ROOT/home/trow-ca-${hash.slice(0, 16)}.crt`
    const keychain = 'ROOT/home/Library/Keychains/login.keychain'
    assert.deepEqual(ran, [
      `security add-trusted-cert -d -r trustRoot -p ssl -k ${keychain} ${scratch}`,
      'docker desktop restart',
    ])
    assert.deepEqual(await undo(recorded, kind, tree), [
      `security remove-trusted-cert -d ${scratch}`,
      `security delete-certificate -Z ${hash} ${keychain}`,
      'docker desktop restart',
    ])
  })
})

test('Docker Desktop on Linux restarts with systemd where its CLI has no word for it', async () => {
  const answers: Answers = (line) => (line === 'docker desktop version' ? { code: 1 } : undefined)
  await on('linux', { answers }, async (recorded, tree) => {
    const { ran } = await trust(recorded, engine('docker-desktop'))
    assert.deepEqual(ran, ['systemctl --user restart docker-desktop'])
    await undo(recorded, engine('docker-desktop'), tree)
    await rejects('KEYCHAIN_UNSUPPORTED', trust(recorded, engine('docker-desktop'), true))
  })
})

test('Docker Desktop on Windows: a folder without the colon, and the Root store with --keychain', async () => {
  const store = living()
  const answers: Answers = (line, call) =>
    line === 'docker desktop version' ? { code: 1 } : store.answers(line, call)
  await on('win32', { answers }, async (recorded, tree) => {
    const { plan, ran } = await trust(recorded, engine('docker-desktop'), true)
    assert.deepEqual(consentsOf(plan), ['keychain'])
    assert.deepEqual(ran, [`certutil -addstore -user Root ROOT/home/trow-ca-${hash.slice(0, 16)}.crt`])
    assert.match(plan.notes.join(), /Restart Docker Desktop/)
    const folder = `home/.docker/certs.d/${host.replace(':', '')}`
    assert.ok(existsSync(join(recorded.root, folder, 'trow-ca.crt')))
    assert.deepEqual(await undo(recorded, engine('docker-desktop'), tree), [
      `certutil -delstore -user Root ${hash}`,
    ])
  })
})

test('Rancher Desktop on Windows: a provisioning script of its own', async () => {
  const folder = 'home/AppData/Local/rancher-desktop/provisioning'
  const files = { [`${folder}/others.start`]: '#!/bin/sh\n' }
  await on('win32', { answers: living().answers, files }, async (recorded, tree) => {
    await trust(recorded, engine('rancher-desktop'))
    const script = join(recorded.root, folder, 'trow-host.docker.internal-5443.start')
    assert.match(readFileSync(script, 'utf8'), /^#!\/bin\/sh\n/)
    await undo(recorded, engine('rancher-desktop'), tree)
  })
})

test('OrbStack: the certificate folder, and a restart of its docker', async () => {
  await on('darwin', {}, async (recorded, tree) => {
    const { plan, ran } = await trust(recorded, engine('orbstack'))
    assert.deepEqual(consentsOf(plan), ['restart'])
    assert.deepEqual(ran, ['orb restart docker'])
    await undo(recorded, engine('orbstack'), tree)
  })
})

test('colima: the folder that it copies at its start, and its VM now, without a restart', async () => {
  const { answers, files } = living()
  await on('darwin', { answers }, async (recorded, tree) => {
    const kind = engine('colima', { instance: 'work' })
    const { plan, ran } = await trust(recorded, kind)
    assert.deepEqual(consentsOf(plan), [])
    const folder = `/etc/docker/certs.d/${host}`
    assert.deepEqual(ran, [
      `colima ssh --profile work -- sudo mkdir -p ${folder}`,
      `colima ssh --profile work -- sudo tee ${folder}/trow-ca.crt`,
    ])
    assert.equal(files.get(`${folder}/trow-ca.crt`), containerFile(ca, []))
    assert.ok(existsSync(join(recorded.root, 'home', certificate)))
    assert.deepEqual(await undo(recorded, kind, tree), [
      `colima ssh --profile work -- sudo rm -f ${folder}/trow-ca.crt`,
      `colima ssh --profile work -- sudo rmdir --ignore-fail-on-non-empty ${folder}`,
    ])
    assert.equal(files.size, 0)
  })
})

test('colima that does not run gets the folder only, and that is said', async () => {
  const answers: Answers = (line) => (line.startsWith('colima ssh') ? { code: 1 } : undefined)
  await on('darwin', { answers }, async (recorded) => {
    const { plan, ran } = await trust(recorded, engine('colima'))
    assert.deepEqual(ran, [])
    assert.match(plan.notes.join(), /when it starts/)
    await rejects('ENGINE_STOPPED', planUndo(recorded.machine, engine('colima'), host))
  })
})

test('podman machine: its VM and nothing of this machine', async () => {
  const { answers, files } = living()
  await on('darwin', { answers }, async (recorded, tree) => {
    const { ran } = await trust(recorded, engine('podman-machine'))
    const path = `/etc/containers/certs.d/${host}/trow-ca.crt`
    assert.equal(ran[1], `podman machine ssh sudo tee ${path}`)
    assert.deepEqual(treeOf(recorded.root), tree)
    files.set(path, 'of somebody else')
    await rejects(
      'FILE_EXISTS',
      planTrust(recorded.machine, engine('podman-machine'), { host, ca, keychain: false }),
    )
    files.set(path, containerFile('an older CA', []))
    const renewed = await trust(recorded, engine('podman-machine'))
    assert.equal(renewed.ran.length, 2)
    await undo(recorded, engine('podman-machine'), tree)
  })
})

test('Rancher Desktop: a provisioning script for each start, and its VM now', async () => {
  const { answers, files } = living()
  const folder = 'home/Library/Application Support/rancher-desktop/lima/_config'
  const others = 'mounts:\n- location: /some/path\n'
  await on('darwin', { answers, files: { [`${folder}/override.yaml`]: others } }, async (recorded, tree) => {
    const { plan, ran } = await trust(recorded, engine('rancher-desktop'))
    assert.deepEqual(consentsOf(plan), [])
    assert.equal(ran[1], `rdctl shell sudo tee /etc/docker/certs.d/${host}/trow-ca.crt`)
    const text = readFileSync(join(recorded.root, folder, 'override.yaml'), 'utf8')
    assert.ok(text.startsWith(others))
    assert.match(text, /provision:\n- mode: system\n {2}script: \|\n {4}#!\/bin\/sh/)
    await undo(recorded, engine('rancher-desktop'), tree)
    assert.equal(files.size, 0)
  })
  await on('darwin', {}, async (recorded) => {
    await rejects('ENGINE_NEVER_RAN', trust(recorded, engine('rancher-desktop')))
  })
})

test('Linux without root: each file by sudo, and asked for', async () => {
  // The test sets `sudo` itself: run as root it could write everywhere, and the plan would need no sudo.
  const recorded = recordedMachine('linux', { files: { 'etc/keep': '' } })
  const { machine, root, calls } = recorded
  try {
    const owned = { ...machine, root: '/', uid: 501 }
    const nobody = engine('dockerd')
    const plan = await planTrust({ ...owned, root }, nobody, { host, ca, keychain: false })
    assert.equal(plan.steps.length, 1)
    const [step] = plan.steps
    assert.ok(step?.kind === 'file')
    const asked: TrustPlan = { steps: [{ ...step, sudo: true }], notes: [] }
    assert.deepEqual(consentsOf(asked), ['sudo'])
    await carryOut(machine, asked.steps, () => {})
    const folder = `ROOT/etc/docker/certs.d/${host}`
    assert.deepEqual(calls, [
      'sudo mkdir -m 0755 ROOT/etc/docker',
      'sudo mkdir -m 0755 ROOT/etc/docker/certs.d',
      `sudo mkdir -m 0755 ${folder}`,
      `sudo tee ${folder}/trow-ca.crt.part`,
      `sudo chmod 0644 ${folder}/trow-ca.crt.part`,
      `sudo mv -f ${folder}/trow-ca.crt.part ${folder}/trow-ca.crt`,
    ])
  } finally {
    recorded.close()
  }
})

test('dockerd of a user: the folder in their home', async () => {
  await on('linux', {}, async (recorded, tree) => {
    const kind = engine('dockerd', { rootless: true })
    const { plan } = await trust(recorded, kind)
    assert.deepEqual(consentsOf(plan), [])
    assert.ok(existsSync(join(recorded.root, 'home/.config/docker/certs.d', host, 'trow-ca.crt')))
    await undo(recorded, kind, tree)
  })
})

test('podman: where its first folder for the host is, there and nowhere else', async () => {
  const kind = engine('podman', { endpoint: undefined })
  for (const [files, uid, expected] of [
    [{}, 501, 'home/.config/containers/certs.d'],
    [{}, 0, 'etc/containers/certs.d'],
    [{ [`home/.config/containers/certs.d/${host}/client.cert`]: 'x' }, 0, 'home/.config/containers/certs.d'],
    [{ [`etc/docker/certs.d/${host}/client.cert`]: 'x' }, 0, 'etc/docker/certs.d'],
    [{ [`etc/docker/certs.d/${host}/trow-ca.crt`]: 'x' }, 0, 'etc/containers/certs.d'],
  ] as const) {
    await on('linux', { files, uid }, async (recorded, tree) => {
      await trust(recorded, kind)
      assert.ok(existsSync(join(recorded.root, expected, host, 'trow-ca.crt')), expected)
      await undo(recorded, kind, tree)
    })
  }
})

test('a step that fails ends it, and says which', async () => {
  const answers: Answers = (line) =>
    line.includes('restart') ? { code: 3, stdout: 'no such engine' } : undefined
  await on('darwin', { answers }, async (recorded) => {
    await rejects(
      'TRUST_STEP_FAILED',
      trust(recorded, engine('orbstack')),
      /orb restart docker ended with 3: no such/,
    )
  })
})

async function rejects(code: string, attempt: Promise<unknown>, message = /./): Promise<void> {
  await assert.rejects(attempt, (error) => {
    assert.ok(error instanceof UserError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })
}
