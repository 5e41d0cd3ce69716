import type { ChangeArguments, ChangeName, ChangeResult, ChangeRunner } from '../rules/changes.ts'
import type { SqliteWriter } from './sqlite-writer.ts'
import type { UploadClaims } from './upload-claims.ts'

/** Runs changes in this thread, which owns the writer. */
export class LocalRunner implements ChangeRunner {
  readonly #writer: SqliteWriter
  readonly #claims: UploadClaims
  #tell: (() => void) | undefined

  constructor(writer: SqliteWriter, claims: UploadClaims) {
    this.#writer = writer
    this.#claims = claims
  }

  run<Name extends ChangeName>(name: Name, values: ChangeArguments<Name>): Promise<ChangeResult<Name>> {
    return this.#writer.run(name, values) as Promise<ChangeResult<Name>>
  }

  claim(upload: string, letGo: () => void): Promise<void> {
    return this.#claims.claim(upload, this, letGo)
  }

  release(upload: string): Promise<void> {
    this.#claims.release(upload, this)
    return Promise.resolve()
  }

  onSettle(tell: () => void): void {
    this.#tell = tell
  }

  async settle(): Promise<void> {
    this.#tell?.()
    await this.#writer.run('settle', {})
  }

  reclaim(): Promise<number> {
    return this.#writer.run('reclaim', {}) as Promise<number>
  }

  async close(): Promise<void> {
    this.#claims.releaseAll(this)
    await this.#writer.idle()
  }
}
