/** What a machine's container runtime is to trust, and how it reaches the registry. */
export interface NodeTrust {
  /** As image references spell them: `trow.trow.svc`, `trow.trow.svc:443`, `registry.example.com:5000`. */
  readonly hosts: readonly string[]
  /** PEM bundle, old and new CA. */
  readonly ca: string
  /** `HOST:PORT` over HTTPS, in the order in which the runtime is to try them; one at least. */
  readonly endpoints: readonly string[]
  /** Client certificate and key as the runtime itself names the files; one file may hold both. */
  readonly identity: { readonly certificate: string; readonly key: string } | undefined
}

/** What a machine is, as far as trust is concerned. Files are named as the machine itself names them, without the host root. */
export interface NodeFacts {
  readonly distribution: string
  readonly class: 'direct' | 'colon' | 'unset' | 'managed' | 'unsupported'
  readonly runtime: { readonly name: string; readonly version: string }
  /** CRI socket, where one is there. */
  readonly socket: string | undefined
  /** The folder for hosts.toml or the drop-in; undefined where nothing may be written. */
  readonly folder: string | undefined
  /** containerd's file whose registry section holds, or the main one where there is none yet. */
  readonly config?: string
  /** containerd's config_path as it has it, which may be a list with colons; none where it has none. */
  readonly configPath?: string
  /** The kubelet's own client certificate: one PEM with both, or two files; undefined where there is none. */
  readonly kubeletCertificate: { readonly certificate: string; readonly key: string } | undefined
  readonly problems: readonly TrustProblem[]
}

export interface TrustProblem {
  /** Stable, in capitals: `CONFIG_PATH_UNSET`. */
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly file?: string
  /** A fatal one keeps the machine from pulling. */
  readonly fatal: boolean
}

/** One file or link that was, or with `dryRun` would be, made, changed or taken away. */
export interface TrustChange {
  readonly action: 'create' | 'update' | 'remove'
  readonly path: string
  readonly before?: string
  readonly after?: string
}

/** Where the machine's files are, and what the cluster says of it. */
export interface MachineOptions {
  /** `/` on the machine itself, `/host` in the agent's pod. */
  readonly hostRoot: string
  /** status.nodeInfo, labels of the Node; undefined without Kubernetes. */
  readonly node?: {
    /** Tells kubelets apart where several run. */
    readonly name?: string
    readonly kubeletVersion: string
    readonly containerRuntimeVersion: string
    readonly osImage: string
    readonly labels: Readonly<Record<string, string>>
  }
  /** Restarts a unit of the machine, or says why it could not; systemctl unless given. */
  readonly restart?: (unit: string) => Promise<string | undefined>
}

/** What may be done beyond files of trow's own. */
export interface TrustMeans {
  /** Changes nothing, and returns what would be changed. */
  readonly dryRun?: boolean
  /** Where config_path is unset: set it and restart the runtime. */
  readonly restartRuntime?: boolean
  /** The one marked line in /etc/hosts that dockerd needs. */
  readonly editHosts?: boolean
}
