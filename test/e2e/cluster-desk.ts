import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { trowVersion } from '../../src/cli/version.ts'
import { defaultImage } from '../../src/image/reference.ts'
import { startDockerd, type Daemon } from '../clients/daemon.ts'
import { findProgram } from '../requirements.ts'
import { binary } from '../support/cluster-binaries.ts'
import { PersonTerminal } from '../support/person-terminal.ts'
import { runProgram } from '../support/program.ts'
import type { Cluster } from './cluster.ts'
import { importTrowImage } from './trow-image.ts'

/** The data folder of an install at the desk. */
export const dataFolder = '/srv/trow'

/**
 * The environment of an administrator: the first node's network, a home folder, a kubeconfig, docker, `ssh` to the nodes,
 * and `app` with a Dockerfile. docker has an image `busybox`.
 */
export class ClusterDesk implements AsyncDisposable {
  readonly folder: string
  readonly #cluster: Cluster
  readonly #place: string
  readonly #programs: string
  readonly #docker: Daemon

  private constructor(cluster: Cluster, place: string, docker: Daemon) {
    this.#cluster = cluster
    this.#place = place
    this.#docker = docker
    this.#programs = join(place, 'bin')
    this.folder = join(place, 'home')
  }

  static async open(cluster: Cluster): Promise<ClusterDesk> {
    if (existsSync(dataFolder))
      throw new Error(`${dataFolder} is there already; it would be the registry's folder`)
    const place = mkdtempSync(join(tmpdir(), 'trow-desk-'))
    const desk = new ClusterDesk(cluster, place, await startDockerd(place))
    await desk.#furnish()
    return desk
  }

  async openTerminal(): Promise<PersonTerminal> {
    return PersonTerminal.open({
      env: {
        PATH: `${this.#programs}:${dirname(binary('ctr'))}:/usr/local/bin:/usr/bin:/bin:/usr/sbin`,
        HOME: this.folder,
        DOCKER_HOST: `unix://${this.#docker.socket}`,
        DOCKER_BUILDKIT: '0',
      },
      cwd: this.folder,
      within: ['nsenter', `--net=${this.#cluster.nodes[0]?.networkNamespace}`],
      columns: 110,
    })
  }

  /** Writes `trow.tar` into its folder, as `trow image save` does. The nodes do not have the image. */
  async bringArchive(): Promise<void> {
    const [first] = this.#cluster.nodes
    await this.bringImage()
    await first?.ctr('images', 'export', join(this.folder, 'trow.tar'), publishedImage)
    await this.takeImage()
  }

  /** Gives the nodes the image under its published name. */
  async bringImage(): Promise<void> {
    const built = await importTrowImage(this.#cluster.nodes)
    for (const node of this.#cluster.nodes) await node.ctr('images', 'tag', '--force', built, publishedImage)
  }

  async takeImage(): Promise<void> {
    for (const node of this.#cluster.nodes) await node.ctr('images', 'rm', publishedImage).catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#uninstall()
    await this.takeImage()
    await this.#docker.stop()
    rmSync(this.#place, { recursive: true, force: true })
    rmSync(dataFolder, { recursive: true, force: true })
  }

  /** Cleans up after a user who has stopped in the middle. */
  async #uninstall(): Promise<void> {
    const [first] = this.#cluster.nodes
    await this.#cluster.kubectl(['delete', 'pod', 'app', '--ignore-not-found', '--now'])
    const there = await this.#cluster.kubectl([
      'get',
      'statefulset',
      '-A',
      '-l',
      'app.kubernetes.io/part-of=trow',
    ])
    if (there.trim() === '' || first === undefined) return
    const env = { HOME: this.folder, PATH: process.env['PATH'] ?? '' }
    const args = [
      `--net=${first.networkNamespace}`,
      join(this.#programs, 'trow'),
      'uninstall',
      '--purge',
      '-y',
    ]
    await runProgram('nsenter', args, { env })
  }

  async #furnish(): Promise<void> {
    const app = join(this.folder, 'app')
    for (const made of [this.#programs, join(this.folder, '.kube'), app]) mkdirSync(made, { recursive: true })
    const program = (name: string, lines: readonly string[]): void =>
      writeFileSync(join(this.#programs, name), `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o755 })
    const trow = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))
    program('trow', [`exec ${process.execPath} ${trow} "$@"`])
    const entrances = this.#cluster.nodes.map(
      ({ name, entrance }) => `${name}) set -- ${entrance.join(' ')} "$@";;`,
    )
    program('ssh', [
      'node=$1; shift',
      `case $node in ${entrances.join(' ')} *) exit 255;; esac`,
      'exec nsenter "$@"',
    ])
    symlinkSync(binary('kubectl'), join(this.#programs, 'kubectl'))
    copyFileSync(this.#cluster.kubeconfig(), join(this.folder, '.kube/config'))
    await this.#buildBusybox()
    writeFileSync(join(app, 'Dockerfile'), 'FROM busybox\nENTRYPOINT ["sleep", "100000"]\n')
  }

  /** Stands in for the image of Docker Hub. */
  async #buildBusybox(): Promise<void> {
    const context = join(this.#place, 'busybox')
    mkdirSync(context)
    copyFileSync(findProgram('busybox') ?? '', join(context, 'busybox'))
    const lines = ['FROM scratch', 'COPY busybox /bin/busybox', 'COPY busybox /bin/sleep', 'ENV PATH=/bin']
    writeFileSync(join(context, 'Dockerfile'), `${lines.join('\n')}\n`)
    const env = { DOCKER_HOST: `unix://${this.#docker.socket}`, DOCKER_BUILDKIT: '0' }
    await runProgram('docker', ['build', '-q', '-t', 'busybox', context], { env })
  }
}

const publishedImage = defaultImage(trowVersion())
