import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../requirements.ts'

interface Component {
  readonly module: string
  readonly version: string
  /** Packages of the module, each a program named by the last word of its path. */
  readonly packages: readonly string[]
  readonly flags: readonly string[]
  /** Sources for what the module has no installable program for. */
  readonly sources?: Readonly<Record<string, string>>
}

const stripped = '-s -w'
const components: Readonly<Record<string, Component>> = {
  etcd: {
    module: 'go.etcd.io/etcd/server/v3',
    version: 'v3.6.16',
    packages: ['./etcd'],
    flags: [`-ldflags=${stripped}`],
    sources: {
      'etcd/main.go': `package main\n\nimport (\n\t"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n`,
    },
  },
  containerd: {
    module: 'github.com/containerd/containerd/v2',
    version: 'v2.3.7',
    packages: ['containerd', 'containerd-shim-runc-v2', 'ctr'].map(
      (name) => `github.com/containerd/containerd/v2/cmd/${name}`,
    ),
    flags: [
      '-tags=no_btrfs no_zfs no_devmapper',
      `-ldflags=${stripped} -X github.com/containerd/containerd/v2/version.Version=v2.3.7`,
    ],
  },
  kubernetes: {
    module: 'k8s.io/kubernetes',
    version: 'v1.37.2',
    packages: [
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
      'kubelet',
      'kube-proxy',
      'kubectl',
    ].map((name) => `k8s.io/kubernetes/cmd/${name}`),
    flags: [`-ldflags=${stripped} -X k8s.io/component-base/version.gitVersion=v1.37.2`],
  },
}

const root = join(cacheFolder(), 'cluster')

export function binaryFolders(): string[] {
  return Object.keys(components).map(folderOf)
}

export function binary(name: string): string {
  const found = binaryFolders()
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path))
  if (found === undefined) throw new Error(`${name} has not been built`)
  return found
}

/** The components that are not in the cache. */
export function missingBinaries(): string[] {
  return Object.keys(components).filter((name) => !existsSync(folderOf(name)))
}

/**
 * Builds what is missing of `names`: 6 to 15 minutes on two cores for the first time. A folder of the cache appears whole
 * or not at all.
 */
export function buildBinaries(log: (line: string) => void, names = Object.keys(components)): void {
  for (const name of missingBinaries().filter((each) => names.includes(each))) {
    const started = Date.now()
    const { version } = components[name]!
    log(`building ${name} ${version}`)
    const problem = build(name)
    log(problem ?? `built ${name} in ${Math.round((Date.now() - started) / 1000)} s`)
  }
}

function build(name: string): string | undefined {
  const { module, version, packages, flags, sources = {} } = components[name]!
  mkdirSync(root, { recursive: true })
  removeInterrupted()
  const work = join(root, `building-${process.pid}`)
  const output = join(work, 'bin')
  mkdirSync(output, { recursive: true })
  try {
    const published = go(work, ['mod', 'download', '-json', `${module}@${version}`])
    if ('problem' in published) return published.problem
    const { GoMod } = JSON.parse(published.output) as { GoMod: string }
    writeFileSync(
      join(work, 'go.mod'),
      [
        `module trow.test/${name}`,
        goLine(GoMod),
        `require ${module} ${version}`,
        ...replacements(GoMod, version),
        '',
      ].join('\n'),
    )
    for (const [path, text] of Object.entries(sources)) {
      mkdirSync(join(work, path, '..'), { recursive: true })
      writeFileSync(join(work, path), text)
    }
    const built = go(work, ['build', '-mod=mod', '-trimpath', ...flags, '-o', `${output}/`, ...packages])
    if ('problem' in built) return built.problem
    try {
      renameSync(output, folderOf(name))
    } catch (error) {
      // Another run on this machine may have been quicker.
      if (!existsSync(folderOf(name))) throw error
    }
    return undefined
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function folderOf(name: string): string {
  return join(root, `${name}@${components[name]?.version}`)
}

function goLine(goMod: string): string {
  return /^go .*$/m.exec(readFileSync(goMod, 'utf8'))?.[0] ?? ''
}

/** Kubernetes replaces its own parts by folders of its repository; they are published as v0.x of the same release. */
function replacements(goMod: string, version: string): string[] {
  return [...readFileSync(goMod, 'utf8').matchAll(/^\s*(k8s\.io\/\S+) => \.\/staging\//gm)].map(
    ([, part]) => `replace ${part} => ${part} ${version.replace(/^v1/, 'v0')}`,
  )
}

function removeInterrupted(): void {
  for (const entry of readdirSync(root, { withFileTypes: true, encoding: 'utf8' })) {
    const pid = /^building-(\d+)$/.exec(entry.name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(root, entry.name), { recursive: true })
  }
}

function go(
  cwd: string,
  args: readonly string[],
): { readonly output: string } | { readonly problem: string } {
  const { status, stdout, stderr, error } = spawnSync('go', args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false', GOWORK: 'off' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60 * 60_000,
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status === 0) return { output: stdout }
  return {
    problem: `go ${args.join(' ')} failed: ${error?.message ?? ''}\n${stdout}${stderr}`.slice(0, 4000),
  }
}
