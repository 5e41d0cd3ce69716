import type { AuditObjects } from '../../../blobs/audit-objects.ts'
import type { AuditChain } from '../../../metadata/audit-chain.ts'
import type { AuditLog, AuditStore, LogParts } from '../../audit-store.ts'
import { segmentSizeFor } from '../segment-size.ts'
import { SharedLines } from './shared-lines.ts'
import { SharedLog } from './shared-log.ts'

const largestSegment = 16 * 1024 * 1024

/** The logs that all processes of a registry write together: new lines in a database, full segments in a bucket. */
export class SharedStore extends SharedLines implements AuditStore {
  readonly #parts: { readonly chain: AuditChain; readonly objects: AuditObjects }

  constructor(parts: { readonly chain: AuditChain; readonly objects: AuditObjects }) {
    super(parts)
    this.#parts = parts
  }

  open(parts: LogParts): Promise<AuditLog> {
    const segmentSize = parts.segmentSize ?? segmentSizeFor(parts.retention, largestSegment)
    return SharedLog.open({ ...parts, ...this.#parts, lines: this, segmentSize })
  }
}
