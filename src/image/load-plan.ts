import { exitCode, UserError } from '../user-error.ts'

/** A way to copy an image to a cluster of this machine without a registry. */
export type LoadTarget =
  | { readonly kind: 'kind' | 'k3d' | 'minikube'; readonly cluster: string }
  | { readonly kind: 'docker-desktop' }
  | { readonly kind: 'k3s' }
  | { readonly kind: 'containerd'; readonly socket: string | undefined }

export const loadKinds = ['kind', 'minikube', 'k3d', 'k3s', 'docker-desktop', 'containerd'] as const

export interface LoadCall {
  readonly program: string
  readonly args: readonly string[]
}

/** Facts that are known without a request to a cluster. */
export interface LoadFacts {
  /** The kube context; `undefined` if there is none. */
  readonly context: { readonly name: string; readonly server: string } | undefined
  hasProgram(name: string): boolean
  hasFile(path: string): boolean
}

/** What the user has chosen. */
export interface LoadOptions {
  readonly kind?: (typeof loadKinds)[number] | undefined
  /** The cluster of kind, k3d or minikube. */
  readonly cluster?: string | undefined
  /** The socket of containerd. */
  readonly socket?: string | undefined
}

const containerdSocket = '/run/containerd/containerd.sock'
const k3sSocket = '/run/k3s/containerd/containerd.sock'

/**
 * Chooses by the user's wish, otherwise by the context's name, which each of these programs sets, otherwise
 * by the runtimes on this machine. Throws UserError IMAGE_TARGET_UNKNOWN.
 */
export function chooseLoadTarget(options: LoadOptions, facts: LoadFacts): LoadTarget {
  const named = fromContext(facts)
  if (options.kind === undefined) {
    const found = named ?? (isHere(facts) ? fromMachine(options, facts) : undefined)
    if (found !== undefined) return found
    const { context } = facts
    throw new UserError(
      'IMAGE_TARGET_UNKNOWN',
      context === undefined
        ? 'there is no kube context, and no containerd on this machine'
        : `context ${context.name} (${context.server}) is no cluster that trow knows how to load an image into`,
      {
        hint: `Name it with --to ${loadKinds.join('|')}; or bring the image to a registry that the nodes reach with trow image push, or to each node with trow image save.`,
        exitCode: exitCode.usage,
      },
    )
  }
  const { kind } = options
  if (kind === 'k3s' || kind === 'docker-desktop') return { kind }
  if (kind === 'containerd') return { kind, socket: options.socket }
  const usual = { kind: 'kind', k3d: 'k3s-default', minikube: 'minikube' }[kind]
  const current = named?.kind === kind && 'cluster' in named ? named.cluster : usual
  return { kind, cluster: options.cluster ?? current }
}

/**
 * Keeps the kubelet's garbage collection from removing an image that no node can pull again (containerd,
 * internal/cri/labels).
 */
const pinned = ['--label', 'io.cri-containerd.pinned=pinned']

/** Returns the commands. `file` is an archive of `trow image save`. */
export function loadCalls(target: LoadTarget, file: string): readonly LoadCall[] {
  switch (target.kind) {
    case 'kind':
      return [{ program: 'kind', args: ['load', 'image-archive', file, '--name', target.cluster] }]
    case 'k3d':
      return [{ program: 'k3d', args: ['image', 'import', file, '--cluster', target.cluster] }]
    case 'minikube':
      return [{ program: 'minikube', args: ['image', 'load', file, '--profile', target.cluster] }]
    case 'docker-desktop':
      return [{ program: 'docker', args: ['--context', 'desktop-linux', 'load', '--input', file] }]
    case 'k3s':
      return [{ program: 'k3s', args: ['ctr', '--namespace', 'k8s.io', 'images', 'import', ...pinned, file] }]
    case 'containerd': {
      const address = target.socket === undefined ? [] : ['--address', target.socket]
      return [
        { program: 'ctr', args: [...address, '--namespace', 'k8s.io', 'images', 'import', ...pinned, file] },
      ]
    }
  }
}

/**
 * Returns what keeps the image on the nodes if the loading program cannot pin it; `undefined` if nothing is
 * needed. kind and minikube disable the kubelet's garbage collection of images (`imageGCHighThresholdPercent:
 * 100`).
 */
export function keepingHint(target: LoadTarget, reference: string): string | undefined {
  const until = 'may take it from a node on which no pod of trow runs yet: install soon after'
  if (target.kind === 'docker-desktop')
    return `the kubelet's garbage collection of images ${until}, and load it again where it is gone`
  if (target.kind !== 'k3d') return undefined
  const label = `ctr -n k8s.io images label ${reference} io.cri-containerd.pinned=pinned`
  return `k3d does not pin what it imports, and the kubelet's garbage collection of images ${until}, or pin it on each node: docker exec k3d-${target.cluster}-server-0 ${label}`
}

/** Returns whether the command needs root. */
export function needsRoot({ kind }: LoadTarget): boolean {
  return kind === 'k3s' || kind === 'containerd'
}

function fromContext({ context }: LoadFacts): LoadTarget | undefined {
  if (context === undefined) return undefined
  const [, kind, cluster = ''] = /^(kind|k3d)-(.+)$/.exec(context.name) ?? []
  if (kind === 'kind' || kind === 'k3d') return { kind, cluster }
  if (context.name === 'minikube') return { kind: 'minikube', cluster: 'minikube' }
  if (context.name === 'docker-desktop') return { kind: 'docker-desktop' }
  return undefined
}

/** If the context's API server is on another machine, its nodes are not on this one. */
function isHere({ context }: LoadFacts): boolean {
  if (context === undefined || !URL.canParse(context.server)) return true
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(context.server).hostname)
}

function fromMachine({ socket }: LoadOptions, { hasProgram, hasFile }: LoadFacts): LoadTarget | undefined {
  if (socket !== undefined) return { kind: 'containerd', socket }
  if (hasFile(k3sSocket) && hasProgram('k3s')) return { kind: 'k3s' }
  return hasFile(containerdSocket) && hasProgram('ctr')
    ? { kind: 'containerd', socket: undefined }
    : undefined
}
