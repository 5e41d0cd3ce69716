import pLimit from 'p-limit'
import { z } from 'zod'
import { parseForeignJson } from '../../foreign-json.ts'
import { printProblem } from '../../policy/load-problem.ts'
import type { ExceptionSettings } from '../../policy/trow-exception.ts'
import {
  policyEditPatience,
  type PolicyEdit,
  type PolicyEditAnswer,
  type PolicyReadAnswer,
  type PolicyWriter,
  type WrittenEdit,
} from '../../policy-store/policy-edits.ts'
import type { PolicyKeeper } from '../../policy-store/policy-keeper.ts'
import type { UnitProblem } from '../../policy-store/policy-source.ts'
import { loadObjects, objectKey, type GoodUnit } from '../../policy-store/unit-book.ts'
import { UserError } from '../../user-error.ts'
import type { PolicyQuestion, PolicyReply } from '../threads/thread-protocol.ts'

interface AnswerParts {
  readonly keeper: PolicyKeeper
  readonly writer: PolicyWriter
  readonly limits: Omit<ExceptionSettings, 'now'>
  readonly now: () => number
}

/** Of an object of the largest size, with blanks. */
const longestBody = 4 * 1024 * 1024
const objectSchema = z.strictObject({ kind: z.enum(['TrowPolicy', 'TrowException']), name: z.string() })
const editSchema = objectSchema.extend({
  document: z.unknown().optional(),
  from: z.string().nullable().optional(),
})

/** Answers the control socket's requests about policies (`policyPaths`). */
export class PolicyAnswers {
  readonly #parts: AnswerParts
  readonly #inTurn = pLimit(1)

  constructor(parts: AnswerParts) {
    this.#parts = parts
  }

  /** Throws UserError: those of `PolicyWriter`, and REQUEST_INVALID. */
  async answer({ kind, body }: PolicyQuestion): Promise<PolicyReply> {
    switch (kind) {
      case 'status':
        return JSON.stringify(this.#parts.keeper.status)
      case 'read': {
        const object = await this.#parts.writer.read(parse(body, objectSchema))
        return JSON.stringify({ object } satisfies PolicyReadAnswer)
      }
      case 'edit': {
        const edit = parse(body, editSchema)
        return JSON.stringify(await this.#inTurn(() => this.#edit(edit)))
      }
    }
  }

  async #edit(edit: PolicyEdit): Promise<PolicyEditAnswer> {
    const problems = edit.document === undefined ? [] : this.#problemsOf(edit)
    if (problems.length > 0) return { outcome: 'rejected', problems }
    const { keeper, writer } = this.#parts
    const written = await writer.write(edit)
    const key = `${edit.kind}/${edit.name}`
    const isInForce = await keeper.reaches((units) => hashIn(units, key) === written.hash, policyEditPatience)
    const { generation } = keeper.status
    if (isInForce && generation !== undefined) return { outcome: 'in-force', generation, ...written }
    return { outcome: 'written', problems: this.#problemsAt(written), ...written }
  }

  /** What keeps it from being loaded, before anything is written. */
  #problemsOf({ kind, name, document }: PolicyEdit): readonly UnitProblem[] {
    const { limits, now } = this.#parts
    const { objects, problems } = loadObjects([document], { ...limits, now: now() })
    if (problems.length > 0)
      return problems.map((problem) => ({ place: undefined, message: printProblem(problem) }))
    const [object] = objects
    if (object !== undefined && objectKey(object) === `${kind}/${name}`) return []
    return [{ place: undefined, message: `the document is no ${kind} named ${name}` }]
  }

  #problemsAt({ place }: WrittenEdit): readonly UnitProblem[] {
    const { units, away, notes } = this.#parts.keeper.status
    const own = units.filter(({ name }) => place === name || place.endsWith(`/${name}`))
    const rest = units.filter((unit) => !own.includes(unit))
    const [found = []] = [own, rest].map((some) => some.flatMap(({ problems }) => problems)).filter(isSome)
    const others = [away ?? [], notes].flat().map((message) => ({ place: undefined, message }))
    return [...others, ...found]
  }
}

function parse<Schema extends z.ZodType>(body: string, schema: Schema): z.infer<Schema> {
  try {
    return parseForeignJson(body, schema, longestBody)
  } catch (cause) {
    throw new UserError('REQUEST_INVALID', 'the server does not understand the request', {
      hint: 'Are the server and this command of the same version?',
      cause,
    })
  }
}

function hashIn(units: readonly GoodUnit[], key: string): string | undefined {
  return units.flatMap(({ objects }) => objects).find((object) => objectKey(object) === key)?.hash
}

function isSome(problems: readonly UnitProblem[]): boolean {
  return problems.length > 0
}
