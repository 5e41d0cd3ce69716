import { Generations } from '../../metadata/cache/generations.ts'
import { openSqlMetadata } from '../../metadata/sqlite/sqlite-metadata-store.ts'
import { PortRunner } from '../../metadata/sqlite/writer-port.ts'
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
