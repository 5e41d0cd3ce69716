import { randomUUID } from 'node:crypto'
import { openSync, writeSync } from 'node:fs'
import { AuditWriter } from '../../src/audit/audit-writer.ts'
import { eachLog } from '../../src/audit/chain.ts'
import { encodeAuditRecord } from '../../src/audit/audit-record.ts'
import { FolderStore } from '../../src/audit/stores/folder/folder-store.ts'
import { openLocalMetadata } from '../../src/metadata/sqlite/sqlite-metadata-store.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import { parseTag } from '../../src/oci/tag.ts'
import { manifestOf } from '../metadata/metadata-store-contract.ts'
import { auditRecordOf, quiet } from './records.ts'

// Makes changes and denials as fast as it can until it is killed. Appends the id of each one to a file after
// its answer.

const [, , folder = '', answers = ''] = process.argv
const answered = openSync(answers, 'a')
const metadata = openLocalMetadata({ folder })
const retention = { age: 1e12, bytes: 1e12 }
const writer = await AuditWriter.open({
  store: new FolderStore(`${folder}/audit`),
  instance: 'killed',
  outbox: metadata.outbox,
  denials: metadata.outbox.denials,
  heads: metadata.outbox,
  sinks: [],
  retention: eachLog(() => retention),
  logger: quiet,
  now: Date.now,
  newId: randomUUID,
  segmentSize: 100_000,
})
const repository = parseRepositoryName('killed')

async function work(): Promise<never> {
  for (;;) {
    const [denial, change] = [randomUUID(), randomUUID()]
    await metadata.outbox.denials.record(
      [encodeAuditRecord(auditRecordOf(denial, { outcome: 'denied', time: Date.now() }))],
      Date.now(),
    )
    writeSync(answered, `${denial}\n`)
    const auditRecord = encodeAuditRecord(auditRecordOf(change, { time: Date.now() }))
    const tags = [parseTag('latest')]
    await metadata.putManifest(manifestOf(repository, change, { tags, now: Date.now(), auditRecord }))
    writeSync(answered, `${change}\n`)
    writer.wake()
  }
}

await Promise.all(Array.from({ length: 8 }, work))
