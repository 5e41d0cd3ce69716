import type { Outbox } from '../outbox.ts'
import { auditKeySetting, headSetting } from '../rules/change-outbox.ts'
import { settingByName } from '../rules/statements/settings.ts'
import { databasePath } from './sqlite-file.ts'
import { openForReading } from './sqlite-file.ts'

/**
 * Reads the log heads and their key from a folder, whether it is served or not. Changes nothing. The caller
 * closes it.
 */
export function openKeptHeads(folder: string): Pick<Outbox, 'head' | 'key'> & { close(): void } {
  const database = openForReading(databasePath(folder))
  const setting = (name: string): Promise<string | undefined> =>
    Promise.resolve(database.get(settingByName, { name })?.value)
  return {
    head: (log) => setting(headSetting(log)),
    key: () => setting(auditKeySetting),
    close: () => database.close(),
  }
}
