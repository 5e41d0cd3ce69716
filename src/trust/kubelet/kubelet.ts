import { join } from 'node:path/posix'
import { execa } from 'execa'
import { parse } from 'yaml'
import type { MachineFiles } from '../machine-files.ts'
import {
  isContained,
  optionOf,
  processesOf,
  seesSame,
  sharesNetwork,
  startOfProcess,
  unitOfProcess,
  type MachineProcess,
} from '../running-programs.ts'
import { machineProgram } from '../machine-program.ts'
import type { MachineOptions } from '../node-trust.ts'

/** One run of a kubelet; each start is a new run. */
export interface KubeletRun {
  /** The kernel's id of the machine's boot. */
  readonly boot: string
  readonly pid: string
  /** Clock ticks since boot. */
  readonly start: number
}

export interface KubeletProvider {
  readonly config: string
  readonly folder: string
  /** Set if no flag names these files: the kubelet then starts without them too. */
  readonly optional?: true
}

export interface Kubelet {
  /** `v1.37.2`; empty if it could not be found out. */
  readonly version: string
  readonly run: KubeletRun
  /** The systemd unit: `kubelet.service`, `k3s.service`. */
  readonly unit: string
  /**
   * Where the kubelet looks for credential providers: a file or a folder of files, and the folder of
   * executables.
   */
  readonly provider: KubeletProvider | undefined
  /** trow's folder in the kubelet's own state folder. */
  readonly home: string
  /** True if the feature gate KubeletServiceAccountTokenForCredentialProviders is switched off. */
  readonly gateOff: boolean
}

const gate = 'KubeletServiceAccountTokenForCredentialProviders'
/** k3s and microk8s run the kubelet inside another program. k3s shows no other part of its command line. */
const programs = new Set(['kubelet', 'k3s server', 'k3s agent', 'kubelite'])
const configFlag = 'image-credential-provider-config'
const folderFlag = 'image-credential-provider-bin-dir'
/** k3s and RKE2 pass these to their kubelet if they exist. */
const rancherProvider = {
  config: '/var/lib/rancher/credentialprovider/config.yaml',
  folder: '/var/lib/rancher/credentialprovider/bin',
}

/**
 * Returns the kubelet that runs on a machine; a string if none runs, or if more than one could be the
 * machine's own.
 */
export async function findKubelet(
  files: MachineFiles,
  distribution: string,
  node: MachineOptions['node'],
): Promise<Kubelet | 'none' | 'several'> {
  const found = await ownKubelets(files, node?.name)
  const [own, another] = found
  if (own === undefined) return 'none'
  if (another !== undefined) return 'several'
  const [start, boot] = [
    await startOfProcess(files, own.pid),
    (await files.read('/proc/sys/kernel/random/boot_id'))?.trim(),
  ]
  if (start === undefined || boot === undefined) return 'none'
  const args = await argumentsOf(files, own)
  return {
    version: node?.kubeletVersion ?? (await versionOf(files, own.pid)),
    run: { boot, pid: own.pid, start },
    unit: (await unitOfProcess(files, own.pid)) ?? 'kubelet.service',
    provider: await providerOf(files, distribution, args),
    home: homeIn(optionOf(args, 'root-dir') ?? '/var/lib/kubelet'),
    gateOff: await isGateOff(files, args),
  }
}

/** Returns whether one run started after the other. */
export function isLater(run: KubeletRun, than: KubeletRun): boolean {
  return run.boot !== than.boot || run.start > than.start
}

/**
 * Returns the kubelets that see the machine's files as this process does or are in its network. If neither
 * can be determined for any, returns those that may belong to the node.
 */
async function ownKubelets(files: MachineFiles, node: string | undefined): Promise<MachineProcess[]> {
  const mark = (await files.first(['/var/lib/kubelet', '/etc'])) ?? '/'
  const same: MachineProcess[] = []
  const unknown: MachineProcess[] = []
  for (const each of await processesOf(files, (program) => programs.has(program))) {
    const sees = (await seesSame(files, each.pid, mark)) ?? (await sharesNetwork(files, each.pid))
    if (sees === true) same.push(each)
    else if (sees === undefined && !(await isContained(files, each.pid))) unknown.push(each)
  }
  if (same.length > 0) return same
  const named = ({ args }: MachineProcess): string | undefined => optionOf(args, 'hostname-override')
  return unknown.filter((each) => node === undefined || (named(each) ?? node) === node)
}

/** microk8s keeps the kubelet's arguments in a file. */
async function argumentsOf(files: MachineFiles, { args }: MachineProcess): Promise<readonly string[]> {
  const path = optionOf(args, 'kubelet-args-file')
  if (path === undefined) return args
  return ((await files.read(path)) ?? '').split('\n').map((line) => line.trim())
}

async function providerOf(
  files: MachineFiles,
  distribution: string,
  args: readonly string[],
): Promise<Kubelet['provider']> {
  const [config, folder] = [optionOf(args, configFlag), optionOf(args, folderFlag)]
  if (config?.startsWith('/') === true && folder?.startsWith('/') === true) return { config, folder }
  if (distribution !== 'k3s' && distribution !== 'rke2') return undefined
  const settings = await settingsOf(files, `/etc/rancher/${distribution}/config.yaml`)
  const own = { config: settings[configFlag], folder: settings[folderFlag] }
  return {
    config: typeof own.config === 'string' ? own.config : rancherProvider.config,
    folder: typeof own.folder === 'string' ? own.folder : rancherProvider.folder,
    optional: true,
  }
}

async function isGateOff(files: MachineFiles, args: readonly string[]): Promise<boolean> {
  const flag = optionOf(args, 'feature-gates') ?? ''
  const given = flag.split(',').find((each) => each.trim().startsWith(`${gate}=`))
  if (given !== undefined) return /=\s*(false|0)\s*$/i.test(given)
  const path = optionOf(args, 'config')
  if (path?.startsWith('/') !== true) return false
  const gates = (await settingsOf(files, path))['featureGates']
  return typeof gates === 'object' && gates !== null && (gates as Record<string, unknown>)[gate] === false
}

/** Returns an empty object if the file cannot be read. */
async function settingsOf(files: MachineFiles, path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const content: unknown = parse((await files.read(path)) ?? '')
    return typeof content === 'object' && content !== null ? (content as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/**
 * Returns what `--version` prints: `Kubernetes v1.37.2`, `k3s version v1.34.1+k3s1 (…)`; empty if the program
 * cannot be run.
 */
async function versionOf(files: MachineFiles, pid: string): Promise<string> {
  const path = await files.linkTarget(`/proc/${pid}/exe`)
  if (path?.startsWith('/') !== true) return ''
  const [file, ...args] = await machineProgram(files, path, ['--version'])
  const { stdout, failed } = await execa(file, args, { reject: false, timeout: 10_000, stdin: 'ignore' })
  return failed ? '' : (/(?:^|\s)(v\d+\.\d+[^\s,]*)/.exec(stdout)?.[1] ?? '')
}

/** The default state folders of kubelets: of kubeadm and most distributions, of k0s, of microk8s. */
const usualRoots = ['/var/lib/kubelet', '/var/lib/k0s/kubelet', '/var/snap/microk8s/common/var/lib/kubelet']

/**
 * trow's folder in a kubelet's state folder: files for a kubelet without providers of its own, and the record
 * of what trow wrote.
 */
function homeIn(root: string): string {
  return join(root, 'trow-credential-provider')
}

/** Returns every folder that may hold the record, the running kubelet's first. */
export function providerHomes(kubelet: Kubelet | 'none' | 'several'): string[] {
  const own = typeof kubelet === 'string' ? [] : [kubelet.home]
  return [...new Set([...own, ...usualRoots.map(homeIn)])]
}

export function ownProvider(home: string): KubeletProvider {
  return { config: join(home, 'config.yaml'), folder: join(home, 'bin') }
}
