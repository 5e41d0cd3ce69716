import { bucketOf } from './bucket-settings.ts'
import type { DatabaseSettings, StorageSettings } from '../storage/storage-engine.ts'
import type { Settings } from '../settings/settings-schema.ts'
import { exitCode, UserError } from '../user-error.ts'

/**
 * The settings that choose where the registry stores its content. `env`: where the credentials of a bucket may
 * be. `workers`: those of a server that is about to start; a command has none. Throws UserError CONFIG_INVALID.
 */
export function storageSettings(
  settings: Settings,
  env: StorageSettings['env'],
  workers = 0,
): StorageSettings {
  const { data, reserve, 'cache-size': cacheBytes, 's3-redirect': s3Redirect } = settings
  return {
    folder: data,
    reserve,
    database: databaseOf(settings, workers),
    s3: bucketOf(settings, env),
    cacheBytes,
    s3Redirect,
    env,
  }
}

const needing = ['database-password-file', 'read-staleness', 'stale-reads'] as const
const staleReads = 600_000

function databaseOf(settings: Settings, workers: number): DatabaseSettings | undefined {
  const { database: url, 'database-password-file': passwordFile } = settings
  if (url !== undefined) {
    const limits = {
      staleness: settings['read-staleness'] ?? 0,
      stale: settings['stale-reads'] ?? staleReads,
    }
    return { url, passwordFile, workers, limits }
  }
  const alone = needing.find((name) => settings[name] !== undefined)
  if (alone === undefined) return undefined
  throw new UserError('CONFIG_INVALID', `--${alone} is given, and no --database`, {
    hint: `Name the database with --database, or leave out --${alone}.`,
    exitCode: exitCode.usage,
  })
}
