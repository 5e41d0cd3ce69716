import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defaultImage } from '../../src/image/reference.ts'
import { trowVersion } from '../../src/cli/version.ts'
import { startDockerd } from '../clients/daemon.ts'
import { installDebianPackages } from '../components.ts'
import { findProgram, missing } from '../requirements.ts'
import { binary } from '../support/cluster-binaries.ts'
import { Cluster } from './cluster.ts'
import { subfolder } from './place.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem, installClusterComponents } from './requirements.ts'
import { PersonTerminal, type Typed } from './terminal.ts'
import { importTrowImage } from './trow-image.ts'

// `npm run test:e2e:session [-- FILE]`: what a new user types on a terminal, from the empty cluster of two nodes to the
// pod that runs on both, on a third that joins, and out again. Prints, or writes into the file, every command, what was on
// the screen in the end, and the seconds that it took. Exit code 1: a command has failed.

const [file] = process.argv.slice(2)
const say = (line: string): void => console.error(line)
const data = '/srv/trow'

installClusterComponents(say)
installDebianPackages({ tmux: 'tmux', docker: 'docker.io', dockerd: 'docker.io' }, say)
const problem = clusterProblem() || missing('tmux', 'docker', 'dockerd')
if (problem !== false) throw new Error(problem)
if (existsSync(data)) throw new Error(`${data} is there already; it would be the registry's folder`)

const cluster = await Cluster.open()
const folder = mkdtempSync(join(tmpdir(), 'trow-session-'))
try {
  const docker = await startDockerd(folder)
  try {
    await run(docker.socket)
  } finally {
    await docker.stop()
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
  rmSync(data, { recursive: true, force: true })
  await cluster.close()
}

async function run(dockerSocket: string): Promise<void> {
  await bringImage()
  const terminal = await openTerminal(dockerSocket)
  const lines: string[] = []
  const type = async (command: string, options?: Parameters<PersonTerminal['type']>[1]): Promise<void> => {
    const typed = await terminal.type(command, options)
    lines.push(record(typed))
    say(`${command}: ${seconds(typed.time)}, exit code ${typed.code}`)
    if (typed.code !== 0) process.exitCode = 1
  }
  const runOn = (node: string): string =>
    `kubectl run app-${node} --image trow.trow.svc/default/app:1 --overrides '{"spec":{"nodeName":"${node}"}}'`
  const goOn = { question: '[y/N]', answer: 'y' }
  try {
    await type('kubectl get nodes')
    await type(`trow install --storage local:${data}`, goOn)
    await type('docker build -q -t app .')
    await type('trow push app default/app:1')
    await type(runOn('n1'))
    await type(runOn('n2'))
    await type('kubectl wait --for=condition=Ready pod/app-n1 pod/app-n2')
    await type('kubectl get pods -o wide')
    const begin = performance.now()
    const joined = await cluster.addNode()
    lines.push(`(a third node joins: Ready after ${seconds(performance.now() - begin)})`)
    await type(runOn(joined.name))
    await type(`kubectl wait --for=condition=Ready pod/app-${joined.name} --timeout=2m`)
    await type('kubectl get pods -o wide')
    await type('trow list default/app')
    await type('trow status --wait')
    await type('kubectl delete pods --all --now')
    await type('trow uninstall --purge', goOn)
    await type('kubectl get pods,secrets,configmaps -A -l app.kubernetes.io/part-of=trow')
  } finally {
    terminal.close()
    const text = `${lines.join('\n\n')}\n`
    if (file === undefined) process.stdout.write(text)
    else writeFileSync(file, text)
  }
}

/** The nodes have no way to where it is published: it is there before, as `ctr images import` brings it. */
async function bringImage(): Promise<void> {
  const built = await importTrowImage(cluster.nodes)
  const name = defaultImage(trowVersion())
  for (const node of cluster.nodes) await node.ctr('images', 'tag', '--force', built, name)
  // For the node that joins.
  await cluster.nodes[0]?.ctr('images', 'export', join(subfolder('images'), 'published.tar'), name)
  await eventually(async () => {
    const known = await cluster.kubectl([
      'get',
      'nodes',
      '-o',
      'jsonpath={range .items[*]}{.status.images}{"\\n"}',
    ])
    if (
      known
        .trim()
        .split('\n')
        .some((line) => !line.includes(name))
    )
      throw new Error(`${name} is not told yet`)
  })
}

/** On the first node's network, with a home, a kubeconfig and a Dockerfile of its own. */
async function openTerminal(dockerSocket: string): Promise<PersonTerminal> {
  const [programs, home] = [join(folder, 'bin'), join(folder, 'home')]
  for (const made of [programs, join(home, '.kube'), join(home, 'app')]) mkdirSync(made, { recursive: true })
  const trow = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))
  writeFileSync(join(programs, 'trow'), `#!/bin/sh\nexec ${process.execPath} ${trow} "$@"\n`, { mode: 0o755 })
  symlinkSync(binary('kubectl'), join(programs, 'kubectl'))
  copyFileSync(cluster.kubeconfig(), join(home, '.kube/config'))
  const busybox = findProgram('busybox')
  if (busybox === undefined) throw new Error('busybox is not installed')
  copyFileSync(busybox, join(home, 'app/busybox'))
  const dockerfile =
    'FROM scratch\nCOPY busybox /bin/busybox\nENTRYPOINT ["/bin/busybox", "sleep", "100000"]\n'
  writeFileSync(join(home, 'app/Dockerfile'), dockerfile)
  return PersonTerminal.open({
    env: {
      PATH: `${programs}:/usr/local/bin:/usr/bin:/bin`,
      HOME: home,
      DOCKER_HOST: `unix://${dockerSocket}`,
      DOCKER_BUILDKIT: '0',
    },
    cwd: join(home, 'app'),
    within: ['nsenter', `--net=${cluster.nodes[0]?.networkNamespace}`],
  })
}

function record({ screen, code, time }: Typed): string {
  return `${screen}\n[${seconds(time)}${code === 0 ? '' : `, exit code ${code}`}]`
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
