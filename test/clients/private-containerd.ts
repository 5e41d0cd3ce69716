import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { openCri } from '../../src/agent/cri.ts'
import { MachineTree } from '../trust/machine-tree.ts'

const address = '/etc/run/containerd.sock'

/**
 * A containerd of a machine tree. In its mount namespace the tree's /etc is /etc, so that it reads the same configuration
 * files as on a real node. All its other files are in the tree too.
 */
export class PrivateContainerd {
  readonly tree: MachineTree
  readonly #program: string
  readonly #state: string
  #child: ChildProcess | undefined
  #exited: Promise<unknown> = Promise.resolve()
  #output = ''

  private constructor(program: string, tree: MachineTree) {
    this.tree = tree
    this.#program = program
    this.#state = `${tree.root}-state`
  }

  /** `settings`: lines of the section of CRI's images, which follow the common head of the configuration. */
  static async start(program: string, version: 2 | 3, settings: string): Promise<PrivateContainerd> {
    const state = (root: string): string => `${root}-state`
    const tree = new MachineTree({ '/etc/run/': '', '/etc/containerd/': '', '/etc/kubernetes/': '' })
    const at = state(tree.root)
    mkdirSync(at)
    tree.write(
      '/etc/containerd/config.toml',
      `# kept as it is\nversion = ${version}\nroot = "${at}/root"\nstate = "${at}/run"\n\n[grpc]\n  address = "${address}"\n[ttrpc]\n  address = "${at}/t.sock"\n[plugins."io.containerd.internal.v1.opt"]\n  path = "${at}/opt"\n${settings}`,
    )
    const containerd = new PrivateContainerd(program, tree)
    await containerd.#start()
    return containerd
  }

  /** Pulls an image. Resolves to the error text of a failed pull; undefined: it was pulled. */
  async pull(image: string): Promise<string | undefined> {
    const cri = await openCri(join(this.tree.root, address))
    try {
      await cri.removeImage(image)
      await cri.pullImage(image, 120_000)
      return undefined
    } catch (error) {
      return (error as Error).message
    } finally {
      cri.close()
    }
  }

  async restart(): Promise<void> {
    await this.#end()
    await this.#start()
  }

  async stop(): Promise<void> {
    await this.#end()
    rmSync(this.#state, { recursive: true, force: true })
    this.tree[Symbol.dispose]()
  }

  async #start(): Promise<void> {
    const socket = join(this.tree.root, address)
    rmSync(socket, { force: true })
    const { PATH = '' } = process.env
    const inside = `mount --bind ${this.tree.root}/etc /etc && exec "$0" --config /etc/containerd/config.toml`
    const child = spawn(
      'unshare',
      ['--mount', '--propagation', 'private', 'sh', '-ec', inside, this.#program],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, PATH: [dirname(this.#program), PATH].join(delimiter) },
      },
    )
    this.#child = child
    this.#exited = once(child, 'close')
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-8000)
    })
    for (let attempt = 0; attempt < 600; attempt++) {
      if (child.exitCode !== null) break
      if (existsSync(socket) && (await this.#answers())) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await this.#end()
    throw new Error(`containerd did not start:\n${this.#output}`)
  }

  async #answers(): Promise<boolean> {
    const cri = await openCri(join(this.tree.root, address))
    try {
      await cri.version()
      return true
    } catch {
      return false
    } finally {
      cri.close()
    }
  }

  async #end(): Promise<void> {
    if (this.#child?.exitCode === null) this.#child.kill()
    await this.#exited
  }
}
