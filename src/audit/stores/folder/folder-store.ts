import type { AuditLog, AuditStore, LogCursor, LogParts, RawLine, Segment } from '../../audit-store.ts'
import { parseLine, type LogName } from '../../chain.ts'
import { FolderLog } from './folder-log.ts'
import { LogTail } from './log-tail.ts'
import { listSegments, SegmentFolder } from './segment-folder.ts'
import { segmentLines } from './segment-lines.ts'

/** The logs as files of a folder, written by one process. */
export class FolderStore implements AuditStore {
  readonly #folder: SegmentFolder

  constructor(folder: string | SegmentFolder) {
    this.#folder = typeof folder === 'string' ? new SegmentFolder(folder) : folder
  }

  /** The folder is created if it is missing. */
  open(parts: LogParts): Promise<AuditLog> {
    return FolderLog.open(this.#folder, parts)
  }

  segments(log: LogName): Promise<readonly Segment[]> {
    return listSegments(this.#folder.path, log)
  }

  lines(segment: Segment): AsyncGenerator<RawLine> {
    return segmentLines(this.#folder.path, segment)
  }

  follow(log: LogName, after: number): LogCursor {
    return new LogTail(this.#folder.path, log, after)
  }

  async last(log: LogName): Promise<number> {
    const last = (await this.segments(log)).at(-1)
    if (last === undefined) return 0
    let seq = last.first - 1
    for await (const { bytes, whole } of this.lines(last)) {
      if (whole) seq = parseLine(bytes)?.seq ?? seq
    }
    return seq
  }
}
