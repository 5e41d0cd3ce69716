import type { StorageSettings } from '../storage/storage-engine.ts'
import type { Settings } from '../settings/settings-schema.ts'

/** What of the settings says where the registry keeps what it has. */
export function storageSettings({ data, reserve }: Settings): StorageSettings {
  return { folder: data, reserve }
}
