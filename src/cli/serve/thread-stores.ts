import { Generations } from '../../metadata/sql/generations.ts'
import { openSqlMetadata } from '../../metadata/sql/sql-metadata-store.ts'
import { PortRunner } from '../../metadata/sql/writer-port.ts'
import type { MaintenanceStart } from './thread-protocol.ts'

/** What a thread knows of the folder: its own reader, the changes through the writer. `cacheBytes`: of what it reads. */
export function openThreadMetadata(
  { folder, writer, generations }: MaintenanceStart,
  cacheBytes = 0,
): ReturnType<typeof openSqlMetadata> {
  return openSqlMetadata({
    folder,
    changes: new PortRunner(writer),
    generations: new Generations(generations),
    cacheBytes,
  })
}
