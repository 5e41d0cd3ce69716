import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, suite, test, type TestContext } from 'node:test'
import { noRoot, startDockerd, type Daemon } from '../clients/daemon.ts'
import { makeHome } from '../clients/fixture.ts'
import { findProgram, missing } from '../requirements.ts'
import { startCutProxy } from '../support/cut-proxy.ts'
import { runTrow, type ServerProcess } from '../support/server-process.ts'
import { SharedRegistry, skipReplicas } from './shared-registry.ts'

const skip =
  skipReplicas || missing('docker', 'dockerd', 'podman', 'skopeo', 'busybox', 'curl') || noRoot('dockerd')

/** Bytes of a layer that nothing compresses, and of those that reach the first process before it is killed. */
const layerBytes = 24 * 1024 * 1024
const beforeKill = 8 * 1024 * 1024

const portOf = ({ url }: ServerProcess): number => Number(new URL(url).port)

suite('engines at two processes of one registry', { skip }, () => {
  let registry: SharedRegistry
  let daemon: Daemon
  let env: Readonly<Record<string, string>>
  before(async () => {
    registry = await SharedRegistry.start()
    const folder = join(registry.root, 'engine')
    mkdirSync(folder)
    daemon = await startDockerd(folder)
    const policy = { default: [{ type: 'insecureAcceptAnything' }] }
    writeFileSync(join(registry.root, 'policy.json'), JSON.stringify(policy))
    env = {
      PATH: process.env['PATH'] ?? '',
      ...makeHome(join(registry.root, 'home')),
      DOCKER_HOST: `unix://${daemon.socket}`,
      // The classic builder: BuildKit is a separate Debian package.
      DOCKER_BUILDKIT: '0',
    }
  })
  afterEach(() => registry.end())
  after(async () => {
    await daemon.stop()
    await registry.stop()
  })

  /** What was typed and shown. */
  const transcript: string[] = []

  /**
   * Runs a command line. `real`: its arguments with those of the test's own places, which the transcript leaves out.
   * Rejects with the output if it fails.
   */
  async function run(program: string, args: readonly string[], real = args): Promise<string> {
    const child = spawn(findProgram(program) ?? program, real, { env, cwd: registry.root })
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (more: string) => (text += more))
    const [code] = await once(child, 'close')
    transcript.push(`$ ${program} ${args.join(' ')}`, text.trimEnd())
    assert.equal(code, 0, `${program} ${args.join(' ')}\n${text}`)
    return text
  }

  const docker = (...args: readonly string[]): Promise<string> => run('docker', args)

  function pull(reference: string): Promise<string> {
    const storage = ['--root', join(registry.root, 'podman'), '--runroot', join(registry.root, 'podman-run')]
    const policy = ['--signature-policy', join(registry.root, 'policy.json')]
    const args = ['-q', '--tls-verify=false', reference]
    const real = [...storage, '--storage-driver', 'vfs', 'pull', ...policy, ...args]
    return run('podman', ['pull', ...args], real)
  }

  /** An image of two layers, of which one takes a while. */
  async function build(name: string, bytes: number): Promise<string> {
    const folder = join(registry.root, `build-${name.replaceAll(/[:/]/g, '-')}`)
    mkdirSync(folder)
    copyFileSync(findProgram('busybox') ?? process.execPath, join(folder, 'program'))
    writeFileSync(join(folder, 'content'), randomBytes(bytes))
    writeFileSync(
      join(folder, 'Dockerfile'),
      'FROM scratch\nCOPY program /bin/program\nCOPY content /content\n',
    )
    execFileSync('docker', ['build', '-q', '-t', name, folder], { env, stdio: 'pipe' })
    return execFileSync('docker', ['image', 'inspect', '--format', '{{.Id}}', name], {
      env,
      encoding: 'utf8',
    }).trim()
  }

  const show = (context: TestContext): void => context.diagnostic(`\n${transcript.splice(0).join('\n')}`)

  test('docker pushes to one and podman pulls from the other; a push outlives the process that has half of it', async (context) => {
    const place = await registry.place('engines')
    const [one, two] = await registry.replicas(place, ['engines-a', 'engines-b'])
    assert.ok(one && two)
    const balancer = await startCutProxy(portOf(one))
    try {
      const [first, second] = [`127.0.0.1:${portOf(one)}`, `127.0.0.1:${portOf(two)}`]
      const id = await build(`${first}/team/app:1`, 100_000)
      await docker('push', '-q', `${first}/team/app:1`)
      const pulled = await pull(`${second}/team/app:1`)
      assert.equal(`sha256:${pulled.trim()}`, id)

      const name = `127.0.0.1:${balancer.port}/team/app:2`
      const large = await build(name, layerBytes)
      const held = balancer.holdAfter(beforeKill)
      const push = docker('push', name)
      await Promise.race([held, push])
      transcript.push(
        `# ${balancer.sent} bytes have gone to the first process: it is killed, and the balancer leads to the second`,
      )
      await one.kill()
      balancer.turnTo(portOf(two))
      const output = await push
      // The engine has lost half a layer, and sends that again by itself.
      assert.match(output, /Retrying in/)
      assert.match(output, /2: digest: sha256:[0-9a-f]{64}/)
      const again = await pull(`${second}/team/app:2`)
      assert.equal(`sha256:${again.trim()}`, large)
      const digest = await run('skopeo', [
        'inspect',
        '--tls-verify=false',
        '--format',
        '{{.Digest}}',
        `docker://${second}/team/app:2`,
      ])
      assert.ok(output.includes(digest.trim()))
      const { code, output: found } = await runTrow(['fsck', '--data', registry.folder('engines-b')])
      assert.equal(code, 0, found)
      transcript.push('$ trow fsck --data engines-b', found.trimEnd())
    } finally {
      await balancer.close()
      show(context)
    }
  })

  test('the lines of the page: an upload begins at one process, which is killed, and goes on at the other', async (context) => {
    const page = readFileSync(new URL('../../docs/replicas.md', import.meta.url), 'utf8')
    const block = /## An upload that goes on elsewhere[^]*?```console\n([^]*?)```/.exec(page)?.[1] ?? ''
    const lines = block
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\$ /, ''))
    const place = await registry.place('page')
    const [one, two] = await registry.replicas(place, ['page-a', 'page-b'])
    assert.ok(one && two)
    const killed = lines.findIndex((line) => line.startsWith('#'))
    assert.ok(killed > 0, 'the page says when the first process is killed')
    const content = [randomBytes(400_000), randomBytes(300_000)]
    for (const [index, file] of ['first', 'second'].entries())
      writeFileSync(join(registry.root, file), content[index] ?? '')
    // One shell for all lines, as a person has it; at the comment it waits until the process is gone.
    const script = lines.map((line, index) =>
      index === killed
        ? 'echo killed >&3; read -r _'
        : line.replace(/^curl /, 'curl -sS --fail-with-body -D - '),
    )
    const text = script
      .join('\n')
      .replaceAll(':5000', `:${portOf(one)}`)
      .replaceAll(':5001', `:${portOf(two)}`)
    const shell = spawn('sh', ['-ec', text], { cwd: registry.root, stdio: ['pipe', 'pipe', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [shell.stdout, shell.stderr])
      stream?.setEncoding('utf8').on('data', (more: string) => (output += more))
    const ended = once(shell, 'close')
    const waits = shell.stdio[3]
    assert.ok(waits && 'on' in waits && shell.stdin)
    await Promise.race([once(waits, 'data'), ended])
    await one.kill()
    shell.stdin.end('\n')
    const [code] = await ended
    transcript.push(block.trimEnd(), output.trimEnd())
    show(context)
    assert.equal(code, 0, output)
    assert.match(output, /^HTTP\/1\.1 202 Accepted[^]*^HTTP\/1\.1 202 Accepted[^]*^HTTP\/1\.1 201 Created/m)
    const location = /^location: (\S+blobs\/sha256\S+)/im.exec(output)?.[1] ?? ''
    const stored = await fetch(new URL(location, two.url))
    assert.ok(Buffer.from(await stored.arrayBuffer()).equals(Buffer.concat(content)))
  })
})
