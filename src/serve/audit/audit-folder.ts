import { join } from 'node:path'
import type { Settings } from '../../settings/settings-schema.ts'

/** Where the log is. */
export function auditFolder(settings: Settings, data: string): string {
  return settings['audit-folder'] ?? join(data, 'audit')
}
