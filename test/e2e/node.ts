import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { binary } from '../support/cluster-binaries.ts'
import { cgroupRoot, namespaceFolder, namespacePrefix, privateFolders, subfolder } from './place.ts'
import { eventually, runProgram, type ProgramOptions } from '../support/program.ts'

/** A machine of the cluster: a network namespace, a mount namespace and control groups of its own. */
export class ClusterNode {
  readonly index: number

  constructor(index: number) {
    this.index = index
  }

  get name(): string {
    return `n${this.index}`
  }
  get address(): string {
    return `172.30.0.${1 + this.index}`
  }
  /** The addresses of its pods. */
  get podRange(): string {
    return `10.88.${this.index}.0/24`
  }
  get folder(): string {
    return subfolder(this.name)
  }
  /** Its network and cgroup name. */
  get namespace(): string {
    return `${namespacePrefix}${this.name}`
  }
  get networkNamespace(): string {
    return join(namespaceFolder, this.namespace)
  }
  get mountNamespace(): string {
    return join(this.folder, 'mounts')
  }
  /** Arguments of nsenter that enter the node. */
  get entrance(): readonly string[] {
    return [`--net=${this.networkNamespace}`, `--mount=${this.mountNamespace}`]
  }

  /** Runs a program on the node to its end. Resolves to its output, or throws ProgramError. */
  async enter(command: string, args: readonly string[] = [], options: ProgramOptions = {}): Promise<string> {
    return runProgram('nsenter', [...this.entrance, command, ...args], options)
  }

  /** Returns the path outside the node of a file in one of its own folders, such as /etc/containerd/…. */
  outside(path: string): string {
    for (const [usual, own] of Object.entries(privateFolders)) {
      if (path === usual || path.startsWith(`${usual}/`))
        return join(this.folder, own, path.slice(usual.length))
    }
    throw new Error(`${path} is no folder of the node's own`)
  }

  async makeNamespaces(others: readonly ClusterNode[]): Promise<void> {
    await runProgram('ip', ['netns', 'add', this.namespace])
    const first = others[0]
    const device = first === undefined ? 'sw0' : 'eth0'
    // A bridge carries the address of the first node, because not every kernel has `dummy` devices. The other nodes join it.
    if (first === undefined) await this.#network('ip', 'link', 'add', device, 'type', 'bridge')
    else {
      const port = `p${this.index}`
      const peer = ['peer', 'name', device, 'netns', this.namespace]
      await runProgram('ip', ['-n', first.namespace, 'link', 'add', port, 'type', 'veth', ...peer])
      await first.#network('ip', 'link', 'set', port, 'master', 'sw0', 'up')
    }
    await this.#network(
      'sh',
      '-ec',
      `ip link set lo up
       ip addr add ${this.address}/24 dev ${device}
       ip link set ${device} up
       ip route add default dev ${device}
       echo 1 > /proc/sys/net/ipv4/ip_forward`,
    )
    for (const other of others) {
      await other.#network('ip', 'route', 'add', this.podRange, 'via', this.address)
      await this.#network('ip', 'route', 'add', other.podRange, 'via', other.address)
    }
    await this.#makeMountNamespace()
    makeControlGroups(this.namespace)
  }

  async importImages(): Promise<void> {
    for (const archive of readdirSync(subfolder('images'))) await this.importImage(archive)
  }

  async importImage(archive: string): Promise<void> {
    await this.ctr('images', 'import', join(subfolder('images'), archive))
  }

  /** containerd's own client, in the namespace of Kubernetes. */
  async ctr(...args: readonly string[]): Promise<string> {
    return this.enter(binary('ctr'), ['-n', 'k8s.io', ...args])
  }

  async containerdAnswers(): Promise<void> {
    await eventually(() => this.ctr('version'))
  }

  /** A mount namespace that outlives the command that made it, bound to a file, whose folder must be a private mount. */
  async #makeMountNamespace(): Promise<void> {
    const { folder } = this
    const made = Object.keys(privateFolders).flatMap((path) => mkdirSync(path, { recursive: true }) ?? [])
    writeFileSync(join(subfolder(), 'made-folders'), `${made.join('\n')}\n`, { flag: 'a' })
    const binds = Object.entries(privateFolders).map(([usual, own]) => {
      const source = subfolder(this.name, own)
      return `mount --bind ${source} ${usual}\nmount --make-shared ${usual}`
    })
    await runProgram('mount', ['--bind', folder, folder])
    await runProgram('mount', ['--make-private', folder])
    writeFileSync(this.mountNamespace, '')
    // The node reaches no DNS server. A look-up fails at once, as for an unknown name.
    const resolver = join(folder, 'resolv.conf')
    writeFileSync(resolver, '')
    const names = `mount --bind ${resolver} /etc/resolv.conf`
    const script = ['mount --make-rshared /', ...binds, names].join('\n')
    const unshare = [`--mount=${this.mountNamespace}`, '--propagation', 'private']
    await runProgram('unshare', [...unshare, 'sh', '-ec', script])
  }

  // `ip netns exec` would mount /sys anew and hide the control groups.
  async #network(command: string, ...args: readonly string[]): Promise<string> {
    return runProgram('nsenter', [`--net=${this.networkNamespace}`, command, ...args])
  }
}

/** Makes a root for the kubelet's control groups in every hierarchy. Two kubelets with one root would remove each other's pods. */
function makeControlGroups(name: string): void {
  const unified = existsSync(join(cgroupRoot, 'cgroup.controllers'))
  if (unified) {
    const controllers = readFileSync(join(cgroupRoot, 'cgroup.controllers'), 'utf8').trim().split(' ')
    writeFileSync(join(cgroupRoot, 'cgroup.subtree_control'), controllers.map((each) => `+${each}`).join(' '))
    mkdirSync(join(cgroupRoot, name))
    return
  }
  for (const hierarchy of readdirSync(cgroupRoot)) {
    const root = join(cgroupRoot, hierarchy)
    if (!existsSync(join(root, 'cgroup.procs'))) continue
    mkdirSync(join(root, name), { recursive: true })
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (existsSync(join(root, file)))
        writeFileSync(join(root, name, file), readFileSync(join(root, file), 'utf8'))
    }
  }
}
