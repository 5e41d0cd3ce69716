import { missing } from '../../requirements.ts'
import { accessStoreContract } from '../access-store-contract.ts'
import { contentStoreContract } from '../content-store-contract.ts'
import { historyStoreContract } from '../history-store-contract.ts'
import { metadataStoreContract } from '../metadata-store-contract.ts'
import { outboxContract } from '../outbox-contract.ts'
import { TestPostgres } from './open-postgres.ts'
import { test } from 'node:test'

const skip = missing('initdb', 'postgres')
if (skip !== false) test('the contracts on PostgreSQL', { skip }, () => {})
else {
  const { openThreads, openProcesses } = new TestPostgres()
  metadataStoreContract('PostgreSQL in two threads', openThreads)
  metadataStoreContract('PostgreSQL in two processes', openProcesses)
  accessStoreContract('PostgreSQL in two processes', openProcesses)
  contentStoreContract('PostgreSQL in two processes', openProcesses)
  historyStoreContract('PostgreSQL in two processes', openProcesses)
  outboxContract('PostgreSQL in two processes', openProcesses)
}
