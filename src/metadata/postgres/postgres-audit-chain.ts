import type {
  AuditChain,
  AuditChainReads,
  ChainExtension,
  ChainHead,
  ChainLink,
  ChainName,
  ChainPruning,
  ChainRow,
  ChainSegment,
  Extended,
  NewLines,
} from '../audit-chain.ts'
import type { Database } from '../rules/database.ts'
import * as statements from './audit-statements.ts'
import { ChainTaken, segmentOf } from './change-audit.ts'
import type { PostgresRunner } from './postgres-runner.ts'

/** What is read needs no barrier: nothing of it is cached. */
export class PostgresAuditReads implements AuditChainReads {
  readonly #database: Pick<Database, 'all'>

  constructor(database: Pick<Database, 'all'>) {
    this.#database = database
  }

  async head(log: ChainName): Promise<ChainHead> {
    const [row] = await this.#database.all(statements.readHead, { log })
    if (row === undefined) throw new Error(`the audit log ${log} has no head in the database`)
    return row
  }

  async rows(
    log: ChainName,
    page: { readonly after: number; readonly limit: number },
  ): Promise<readonly ChainRow[]> {
    return this.#database.all(statements.readLines, { log, ...page })
  }

  async segments(log: ChainName): Promise<readonly ChainSegment[]> {
    return (await this.#database.all(statements.segmentsOf, { log })).map(segmentOf)
  }

  async objectAfter(log: ChainName, after: number): Promise<ChainSegment | undefined> {
    const [row] = await this.#database.all(statements.sealedAfter, { log, after })
    return row && segmentOf(row)
  }
}

export class PostgresAuditChain extends PostgresAuditReads implements AuditChain {
  readonly #database: Pick<Database, 'all'>
  readonly #changes: PostgresRunner

  constructor(database: Pick<Database, 'all'>, changes: PostgresRunner) {
    super(database)
    this.#database = database
    this.#changes = changes
  }

  async waits(log: ChainName): Promise<boolean> {
    if (log === 'pulls') return false
    return (await this.#database.all(statements.queueStatements[log].waits, {})).length > 0
  }

  async extend(extension: ChainExtension): Promise<Extended> {
    try {
      return await this.#changes.runOwn('extendAuditChain', extension)
    } catch (error) {
      if (error instanceof ChainTaken) return { outcome: 'taken' }
      throw error
    }
  }

  continueAfter(log: ChainName, link: ChainLink): Promise<void> {
    return this.#changes.runOwn('skipAuditLines', { log, ...link })
  }

  claim(log: ChainName): Promise<ChainSegment | undefined> {
    return this.#changes.runOwn('claimAuditSegment', { log })
  }

  seal(
    log: ChainName,
    sealed: { readonly first: number; readonly object: string; readonly size: number },
  ): Promise<void> {
    return this.#changes.runOwn('sealAuditSegment', { log, ...sealed })
  }

  prune(pruning: ChainPruning): Promise<NewLines | undefined> {
    return this.#changes.runOwn('pruneAuditChain', pruning)
  }

  async givenUp(log: ChainName): Promise<readonly ChainSegment[]> {
    return (await this.#database.all(statements.segmentsIn, { log, state: 'given up' })).map(segmentOf)
  }

  forget(log: ChainName, first: number): Promise<void> {
    return this.#changes.runOwn('forgetAuditSegment', { log, first })
  }
}
