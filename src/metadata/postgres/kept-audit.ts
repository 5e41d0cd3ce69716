import type { AuditChainReads } from '../audit-chain.ts'
import type { Outbox } from '../outbox.ts'
import { auditKeySetting, headSetting } from '../rules/change-outbox.ts'
import type { Statement, Values } from '../rules/bind.ts'
import { settingByName } from '../rules/statements/settings.ts'
import { connectOptions, type DatabaseAddress } from './connect-options.ts'
import { Link } from './link.ts'
import { PostgresAuditReads } from './postgres-audit-chain.ts'

/** Reads the log heads, their key and the chains, whether the registry is served or not. The caller closes it. */
export function openDatabaseAudit(address: DatabaseAddress): {
  readonly heads: Pick<Outbox, 'head' | 'key'>
  readonly chain: AuditChainReads
  close(): void
} {
  const link = new Link(() => connectOptions(address))
  const all = async <Row>(statement: Statement<Row>, values: Values): Promise<Row[]> =>
    (await link.repeat((connection) => connection.ask(statement, values))).rows
  const setting = async (name: string): Promise<string | undefined> =>
    (await all(settingByName, { name }))[0]?.value
  return {
    heads: { head: (log) => setting(headSetting(log)), key: () => setting(auditKeySetting) },
    chain: new PostgresAuditReads({ all }),
    close: () => link.close(),
  }
}
