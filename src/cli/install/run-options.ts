import type { ClusterOptions } from '../cluster/cluster-options.ts'
import type { InstallOptions } from './install-options.ts'
import type { ManifestFormat } from './manifests.ts'

export interface RunOptions {
  readonly yes?: boolean
  readonly dryRun?: 'client' | 'server'
  readonly preflight?: boolean
  readonly complete?: boolean
  readonly output?: ManifestFormat
  readonly ignorePreflight?: readonly string[]
  readonly withBaseline?: boolean
  readonly force?: boolean
  readonly forceConflicts?: boolean
  readonly prune?: boolean
  readonly timeout: string
}

export type RunInstallOptions = ClusterOptions & InstallOptions & RunOptions
