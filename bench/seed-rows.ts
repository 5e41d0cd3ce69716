import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { databasePath, openForWriting } from '../src/metadata/sqlite/sqlite-file.ts'
import { digestOf, makeManifest, manifestType } from './content.ts'
import { tagName } from './seed.ts'

export interface SeededRows {
  readonly manifestPaths: string
  readonly blobPaths: string
  readonly config: { readonly digest: string; readonly size: number }
  readonly layer: { readonly digest: string; readonly size: number }
}

/**
 * Writes repositories `rows/0`, `rows/1`, … straight into a data folder that nobody serves: each manifest with a
 * tag, a config of its own (900 bytes, a row) and a layer that all share. About 100,000 manifests in 5 seconds.
 */
export function seedRows(
  folder: string,
  { repositories, manifests }: { readonly repositories: number; readonly manifests: number },
): SeededRows {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  openForWriting(databasePath(folder)).close()
  const database = new DatabaseSync(databasePath(folder))
  database.exec('pragma synchronous=OFF; pragma cache_size=-262144; begin')
  const sql = statements(database)
  const layerBytes = Buffer.alloc(10 * 1024, 7)
  const layer = { digest: digestOf(layerBytes), size: layerBytes.length }
  const now = Date.now()
  const layerId = sql.blob.run(layer.digest, layer.size).lastInsertRowid
  sql.blobBody.run(layerId, layerBytes)
  const manifestPaths: string[] = []
  const blobPaths: string[] = []
  let config = layer
  for (let number = 0; number < repositories; number++) {
    const name = `rows/${number}`
    const repository = sql.repository.run(name, now).lastInsertRowid
    sql.link.run(repository, layerId)
    for (let index = 0; index < manifests; index++) {
      const bytes = Buffer.alloc(900, `config ${number} ${index} `)
      config = { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length }
      const blob = sql.blob.run(config.digest, config.size).lastInsertRowid
      sql.blobBody.run(blob, bytes)
      sql.link.run(repository, blob)
      const manifest = makeManifest(config, layer, `${number}/${index}`)
      const id = sql.manifest.run(
        repository,
        manifest.digest,
        manifestType,
        manifest.size,
        now,
      ).lastInsertRowid
      sql.body.run(id, manifest.parts[0] as Buffer)
      sql.reference.run(repository, config.digest, id)
      sql.reference.run(repository, layer.digest, id)
      sql.tag.run(repository, tagName(index), id, now)
      if (number === 0) {
        manifestPaths.push(`/v2/${name}/manifests/${tagName(index)}`)
        blobPaths.push(`/v2/${name}/blobs/${config.digest}`)
      }
    }
  }
  database.exec('commit; pragma wal_checkpoint(TRUNCATE)')
  database.close()
  const files = {
    manifestPaths: join(folder, '..', 'manifest-paths'),
    blobPaths: join(folder, '..', 'blob-paths'),
  }
  writeFileSync(files.manifestPaths, manifestPaths.join('\n'))
  writeFileSync(files.blobPaths, blobPaths.join('\n'))
  return { ...files, config, layer }
}

function statements(database: DatabaseSync) {
  const insert = (table: string, columns: string, values: string) =>
    database.prepare(`insert into ${table} (${columns}) values (${values})`)
  return {
    repository: insert('repository', 'name, created_at', '?, ?'),
    blob: insert('blob', 'digest, size, state', `?, ?, 'live'`),
    blobBody: insert('blob_body', 'blob_id, body', '?, ?'),
    link: insert('repository_blob', 'repository_id, blob_id', '?, ?'),
    manifest: insert('manifest', 'repository_id, digest, media_type, size, pushed_at', '?, ?, ?, ?, ?'),
    body: insert('manifest_body', 'manifest_id, body', '?, ?'),
    reference: insert(
      'manifest_reference',
      'repository_id, child, manifest_id, kind, required',
      `?, ?, ?, 'blob', 1`,
    ),
    tag: insert('tag', 'repository_id, name, manifest_id, updated_at', '?, ?, ?, ?'),
  }
}
