import { join } from 'node:path'
import type { Settings } from '../settings-schema.ts'

/** Where the log of a data folder is. */
export function auditFolder(data: string): string {
  return join(data, 'audit')
}

/** Where the log of a server is. */
export function servedAuditFolder(settings: Settings, data: string): string {
  return settings['audit-folder'] ?? auditFolder(data)
}
