import { readFileSync } from 'node:fs'
import { after, before, suite, test } from 'node:test'
import { noRoot } from '../clients/daemon.ts'
import { missing } from '../requirements.ts'
import { imageProblem } from '../support/trow-image.ts'
import { parseTutorial } from '../tutorials/parse-tutorial.ts'
import { runTutorial } from '../tutorials/run-tutorial.ts'
import { Cluster } from './cluster.ts'
import { ClusterDesk } from './cluster-desk.ts'
import { clusterProblem } from './requirements.ts'

const skip =
  clusterProblem() || noRoot('dockerd') || missing('tmux', 'docker', 'dockerd') || (await imageProblem())

/** The nodes have no internet access. Both pages therefore begin with the archive of trow's image. */
suite('the tutorials of a cluster', { skip }, () => {
  let cluster: Cluster
  before(async () => (cluster = await Cluster.open()))
  after(() => cluster.close())

  for (const name of ['cluster', 'air-gapped']) {
    test(`${name}.md goes as it is written`, async () => {
      const page = new URL(`../../docs/tutorials/${name}.md`, import.meta.url)
      await using desk = await ClusterDesk.open(cluster)
      await (name === 'cluster' ? desk.bringImage() : desk.bringArchive())
      await runTutorial(parseTutorial(readFileSync(page, 'utf8')), desk)
    })
  }
})
