import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultImage } from '../../src/image/reference.ts'
import { trowVersion } from '../../src/cli/version.ts'
import { missing } from '../requirements.ts'
import type { PersonTerminal, Typed } from '../support/person-terminal.ts'
import { eventually } from '../support/program.ts'
import { Cluster } from './cluster.ts'
import { ClusterDesk, dataFolder } from './cluster-desk.ts'
import { subfolder } from './place.ts'
import { clusterProblem, installClusterComponents } from './requirements.ts'

// `npm run test:e2e:session [-- FILE]`: what a new user types on a terminal, from the empty cluster of two nodes to the
// pod that runs on both, on a third that joins, and out again. Prints, or writes into the file, every command, what was on
// the screen in the end, and the seconds that it took. Exit code 1: a command has failed.

const [file] = process.argv.slice(2)
const log = (line: string): void => console.error(line)

installClusterComponents(log)
const problem = clusterProblem() || missing('tmux', 'docker', 'dockerd')
if (problem !== false) throw new Error(problem)

const cluster = await Cluster.open()
try {
  await using desk = await ClusterDesk.open(cluster)
  await desk.bringImage()
  await keepImage()
  await run(await desk.openTerminal())
} finally {
  await cluster.close()
}

async function run(terminal: PersonTerminal): Promise<void> {
  const lines: string[] = []
  const type = async (command: string, options?: Parameters<PersonTerminal['type']>[1]): Promise<void> => {
    const typed = await terminal.type(command, options)
    lines.push(record(typed))
    log(`${command}: ${seconds(typed.time)}, exit code ${typed.code}`)
    if (typed.code !== 0) process.exitCode = 1
  }
  const runOn = (node: string): string =>
    `kubectl run app-${node} --image trow.trow.svc/default/app:1 --overrides '{"spec":{"nodeName":"${node}"}}'`
  const goOn = { question: '[y/N]', answer: 'y' }
  try {
    await type('kubectl get nodes')
    await type(`trow install --storage local:${dataFolder}`, goOn)
    await type('docker build -q -t app app')
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

/** The node that joins later imports the image from the images of the cluster. */
async function keepImage(): Promise<void> {
  const name = defaultImage(trowVersion())
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

function record({ screen, code, time }: Typed): string {
  return `${screen}\n[${seconds(time)}${code === 0 ? '' : `, exit code ${code}`}]`
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
