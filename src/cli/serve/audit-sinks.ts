import { LineSink, type AuditSink } from '../../audit/sink.ts'
import type { Log } from '../../log.ts'
import type { Settings } from '../settings-schema.ts'

/** Where audit events go besides the log itself. */
export async function auditSinks(
  settings: Settings,
  { stdout }: { readonly log: Log; readonly stdout: (lines: string) => void },
): Promise<readonly AuditSink[]> {
  return settings['audit-stdout'] ? [new LineSink('stdout', stdout)] : []
}
