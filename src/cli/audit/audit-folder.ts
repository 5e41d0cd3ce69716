import { join } from 'node:path'

/** Where the log of a data folder is. */
export function auditFolder(data: string): string {
  return join(data, 'audit')
}
