import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { DatabaseSource } from '../../policy-store/database-source.ts'
import { DatabaseWriter } from '../../policy-store/database-writer.ts'
import { FolderSource } from '../../policy-store/folder-source.ts'
import { FolderWriter } from '../../policy-store/folder-writer.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { OpenPolicySource, SourceDeps } from './opened-source.ts'

/** Reads nothing yet. Throws UserErrors of `loadKubeContext`. */
export async function openPolicySource(settings: Settings, deps: SourceDeps): Promise<OpenPolicySource> {
  if (settings['policy-database']) return openDatabaseSource(deps)
  const folder = settings['policy-dir']
  if (folder === undefined) {
    const { openClusterSource } = await import('./open-cluster-source.ts')
    return openClusterSource(settings, deps)
  }
  const path = resolve(folder)
  return {
    source: new FolderSource(path),
    writer: new FolderWriter(path),
    report: undefined,
    close: () => Promise.resolve(),
  }
}

function openDatabaseSource({ registry }: SourceDeps): OpenPolicySource {
  if (registry === undefined) throw new Error('the settings were not checked: there is no database')
  const { database, poll } = registry
  const changedBy = `the control socket on ${hostname()}`
  return {
    source: new DatabaseSource({ database, poll }),
    writer: new DatabaseWriter({ database, changedBy, onWritten: () => poll.look() }),
    report: undefined,
    close: () => Promise.resolve(),
  }
}
