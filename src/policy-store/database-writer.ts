import { OciError } from '../oci/oci-error.ts'
import { UserError } from '../user-error.ts'
import { hashOf } from './object-hash.ts'
import { unitName } from './object-unit.ts'
import type { PolicyDatabase } from './policy-database.ts'
import type {
  PolicyEdit,
  PolicyObjectName,
  PolicyWriter,
  WrittenEdit,
  WrittenObject,
} from './policy-edits.ts'

const most = { documents: 1000, characters: 32 * 1024 * 1024 } as const

/** Edits the policies in the database of a registry. Also throws UserError POLICY_FULL and POLICY_AWAY. */
export class DatabaseWriter implements PolicyWriter {
  readonly #database: Pick<PolicyDatabase, 'findDocument' | 'writeDocument'>
  readonly #changedBy: string
  readonly #onWritten: () => Promise<void>

  /** `changedBy`: who writes, to the audit. `onWritten`: called after each change. */
  constructor(parts: {
    readonly database: Pick<PolicyDatabase, 'findDocument' | 'writeDocument'>
    readonly changedBy: string
    readonly onWritten: () => Promise<void>
  }) {
    this.#database = parts.database
    this.#changedBy = parts.changedBy
    this.#onWritten = parts.onWritten
  }

  async read({ kind, name }: PolicyObjectName): Promise<WrittenObject | undefined> {
    const found = await answered(() => this.#database.findDocument({ kind, name }))
    if (found === undefined) return undefined
    const document: unknown = JSON.parse(found.document)
    return { kind, name, document, hash: found.hash, place: unitName(kind, name) }
  }

  async write({ kind, name, document, from }: PolicyEdit): Promise<WrittenEdit> {
    const hash = document === undefined ? undefined : hashOf((document as { readonly spec: unknown }).spec)
    const content = hash === undefined ? undefined : { document: JSON.stringify(document), hash }
    const edit = {
      kind,
      name,
      content,
      from,
      most,
      changedBy: this.#changedBy,
    }
    const outcome = await answered(() => this.#database.writeDocument(edit))
    const what = `${kind} ${name}`
    if (outcome.kind === 'unknown')
      throw new UserError('POLICY_UNKNOWN', `there is no ${what}`, {
        hint: '"trow policy status" lists what there is.',
      })
    if (outcome.kind === 'full')
      throw new UserError(
        'POLICY_FULL',
        `${what} is one too many: the registry has as many policies as it may have`,
        {
          hint: 'Remove policies and exceptions that are not needed: 1,000 of them, and 32 MiB in all, are the limit.',
        },
      )
    if (outcome.kind === 'conflict') {
      const problem =
        outcome.hash === null ? 'is gone' : from === null ? 'is there already' : 'was changed meanwhile'
      throw new UserError('POLICY_CONFLICT', `${what} ${problem}`, {
        hint: 'Read it again, and make the change from what is there now.',
      })
    }
    await this.#onWritten()
    return { place: unitName(kind, name), hash }
  }
}

async function answered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask()
  } catch (cause) {
    if (!(cause instanceof OciError)) throw cause
    throw new UserError('POLICY_AWAY', `the database does not answer: ${cause.message}`, {
      hint: 'Nothing is known to have been changed: try again when it does. Meanwhile requests are judged by the policies that were in force.',
      cause,
    })
  }
}
