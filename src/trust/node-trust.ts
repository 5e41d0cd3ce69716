/** What a machine's container runtime shall trust, and how it reaches the registry. */
export interface NodeTrust {
  /** As image references write them: `trow.trow.svc`, `trow.trow.svc:443`, `registry.example.com:5000`. */
  readonly hosts: readonly string[]
  /** A PEM bundle with the old and the new CA. */
  readonly ca: string
  /** `HOST:PORT`, always HTTPS, in the order in which the runtime tries them; at least one. */
  readonly endpoints: readonly string[]
  /** Client certificate and key, by the paths that the runtime itself uses; one file may hold both. */
  readonly identity: { readonly certificate: string; readonly key: string } | undefined
}

/**
 * What a machine is, as far as trust is concerned. Paths are as the machine itself names them, without the
 * host root.
 */
export interface MachineFacts {
  readonly distribution: string
  readonly class: 'direct' | 'colon' | 'unset' | 'managed' | 'unsupported'
  readonly runtime: { readonly name: string; readonly version: string }
  /** The CRI socket, if one exists. */
  readonly socket: string | undefined
  /** The folder for hosts.toml or the drop-in; `undefined` if nothing may be written. */
  readonly folder: string | undefined
  /** The containerd file whose registry section is in effect, or the main file if there is none yet. */
  readonly config?: string
  /** containerd's config_path as it is set; it may be a colon-separated list. Absent if it is not set. */
  readonly configPath?: string
  /**
   * The kubelet's own client certificate: one PEM file with both, or two files. `undefined` if there is none.
   */
  readonly kubeletCertificate: { readonly certificate: string; readonly key: string } | undefined
  readonly problems: readonly TrustProblem[]
}

export interface TrustProblem {
  /** A stable code in capitals: `CONFIG_PATH_UNSET`. */
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly file?: string
  /** True if the machine cannot pull because of it. */
  readonly fatal: boolean
}

/** One file or link that was, or with `dryRun` would be, created, changed or removed. */
export interface TrustChange {
  readonly action: 'create' | 'update' | 'remove'
  readonly path: string
  readonly before?: string
  readonly after?: string
}

/** Where the machine's files are, and what the cluster knows about the machine. */
export interface MachineOptions {
  /** `/` on the machine itself, `/host` in the agent's pod. */
  readonly hostRoot: string
  /** status.nodeInfo and labels of the Node; `undefined` without Kubernetes. */
  readonly node?: {
    /** Identifies the kubelet if several run. */
    readonly name?: string
    readonly kubeletVersion: string
    readonly containerRuntimeVersion: string
    readonly osImage: string
    readonly labels: Readonly<Record<string, string>>
  }
  /** Restarts a unit of the machine, or returns why it could not. The default is systemctl. */
  readonly restart?: (unit: string) => Promise<string | undefined>
}

/** What trow may do besides writing files of its own. */
export interface EditOptions {
  /** Changes nothing, and returns what would change. */
  readonly dryRun?: boolean
  /** Sets an unset config_path and restarts the runtime. */
  readonly restartRuntime?: boolean
  /** Adds the one marked line to /etc/hosts that dockerd needs. */
  readonly editHosts?: boolean
}
