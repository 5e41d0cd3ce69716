import { globSync } from 'node:fs'
import { SuiteRun } from '../suite-run.ts'
import { binary, missingBinaries } from '../support/cluster-binaries.ts'
import { Cluster } from './cluster.ts'
import { clusterFolder, sharedCluster } from './place.ts'
import { clusterProblem, installClusterComponents } from './requirements.ts'

// `npm run test:e2e [-- WORD]`: brings in what a cluster needs, starts one, and runs every suite on it, or those whose
// path has the word. `npm run test:e2e -- keep` only starts one, until Ctrl-C.

const root = new URL('../..', import.meta.url).pathname
const log = (line: string): void => console.log(line)
const [word = ''] = process.argv.slice(2)

/** Suites of `npm test` that need a containerd that is built here: on a new machine they were skipped there. */
const skippedBefore = missingBinaries().includes('containerd')
  ? ['test/cli/trust-node.test.ts', 'test/clients/trust-node-containerd.test.ts']
  : []
installClusterComponents(log)
if (word === 'keep') await keep()
else await runSuites()

async function runSuites(): Promise<void> {
  const suites = new SuiteRun()
  const files = globSync('test/e2e/**/*.test.ts', { cwd: root }).filter((file) => file.includes(word))
  try {
    // Tutorials need a new cluster of two nodes. Other suites add nodes and leave images on them.
    const isTutorial = (file: string): boolean => file.endsWith('/tutorials.test.ts')
    for (const group of [files.filter((file) => !isTutorial(file)), files.filter(isTutorial)]) {
      if (group.length === 0) continue
      let cluster = clusterProblem() === false ? await start() : undefined
      // A file that failed may have left a cluster in which it cannot pass.
      const beforeAgain = async (): Promise<void> => {
        await cluster?.close()
        cluster &&= await start()
      }
      await suites.runFiles(group.sort(), { concurrency: 1, beforeAgain })
      await cluster?.close()
    }
    if (word === '') await suites.runFiles(skippedBefore, { concurrency: 1 })
  } catch (error) {
    console.error(error)
    suites.fail(`the cluster: ${String(error)}`)
  }
  suites.report()
}

async function keep(): Promise<void> {
  const problem = clusterProblem()
  if (problem !== false) throw new Error(problem)
  const cluster = await start()
  log(`a test file uses it with ${sharedCluster}=${clusterFolder}`)
  log(
    `nsenter ${cluster.nodes[0]?.entrance.join(' ')} ${binary('kubectl')} --kubeconfig ${cluster.kubeconfig()}`,
  )
  setInterval(() => {}, 60_000)
}

async function start(): Promise<Cluster> {
  const started = Date.now()
  const cluster = await Cluster.start({ log })
  process.env[sharedCluster] = clusterFolder
  log(`a cluster of ${cluster.nodes.length} nodes in ${Math.round((Date.now() - started) / 1000)} s`)
  return cluster
}
