import type { ChangeArguments, ChangeName, ChangeResult } from '../rules/changes.ts'
import type { SqliteWriter } from './sqlite-writer.ts'
import type { UploadClaims } from './upload-claims.ts'
import type { UploadRunner } from './upload-runner.ts'

/** Runs changes in this thread, which owns the writer. */
export class LocalRunner implements UploadRunner {
  readonly #writer: SqliteWriter
  readonly #claims: UploadClaims
  #flushPending: (() => void) | undefined

  constructor(writer: SqliteWriter, claims: UploadClaims) {
    this.#writer = writer
    this.#claims = claims
  }

  run<Name extends ChangeName>(name: Name, values: ChangeArguments<Name>): Promise<ChangeResult<Name>> {
    return this.#writer.run(name, values) as Promise<ChangeResult<Name>>
  }

  async setPolicyGeneration(generation: number): Promise<void> {
    await this.#writer.run('setPolicyGeneration', { generation })
  }

  claim(upload: string, onContested: () => void): Promise<void> {
    return this.#claims.claim(upload, this, onContested)
  }

  release(upload: string): Promise<void> {
    this.#claims.release(upload, this)
    return Promise.resolve()
  }

  onFlushPending(flushPending: () => void): void {
    this.#flushPending = flushPending
  }

  async flushPending(): Promise<void> {
    this.#flushPending?.()
    await this.#writer.run('flushPending', {})
  }

  reclaim(): Promise<number> {
    return this.#writer.run('reclaim', {}) as Promise<number>
  }

  async close(): Promise<void> {
    this.#claims.releaseAll(this)
    await this.#writer.idle()
  }
}
