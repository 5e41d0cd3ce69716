import { bindValues, type Statement, type Values } from '../rules/bind.ts'

interface Question {
  readonly statement: Statement<unknown>
  readonly answer: Promise<unknown>
}

/** Characters of the values of a question that is compared with others. */
const longestValues = 1000

/**
 * Questions of one transaction that are under way. One that is equal to another gets its answer, unless something was
 * written since to a table that it names: the changes of a transaction ask for the same repository, the same policies
 * and the same outbox, and each statement costs the server and this side more than its rows do.
 */
export class EqualQuestions {
  readonly #open = new Map<string, Question>()

  /** `send` is not called where an equal question is under way. */
  ask<Answer>(statement: Statement<unknown>, values: Values, send: () => Promise<Answer>): Promise<Answer> {
    const key = keyOf(statement, values)
    if (key === undefined) {
      this.written(statement)
      return send()
    }
    const open = this.#open.get(key)
    if (open !== undefined) return open.answer as Promise<Answer>
    const answer = send()
    const question = { statement, answer }
    this.#open.set(key, question)
    const end = (): void => {
      if (this.#open.get(key) === question) this.#open.delete(key)
    }
    answer.then(end, end)
    return answer
  }

  /** To be called before a statement is sent that may write. */
  written(statement: Statement<unknown>): void {
    if (this.#open.size === 0) return
    const { table } = natureOf(statement)
    for (const [key, question] of this.#open)
      if (table === undefined || natureOf(question.statement).words.has(table)) this.#open.delete(key)
  }
}

function keyOf(statement: Statement<unknown>, values: Values): string | undefined {
  const { postgres } = statement
  if (postgres === undefined || !natureOf(statement).isQuestion) return undefined
  const bound = bindValues(postgres.values ?? statement.values, values)
  if (bound.some((value) => value instanceof Uint8Array)) return undefined
  const text = JSON.stringify(bound)
  return text.length > longestValues ? undefined : `${postgres.name} ${text}`
}

interface Nature {
  /** Only reads what is stored. */
  readonly isQuestion: boolean
  /** The table to which it writes; undefined: another statement than those that write to one. */
  readonly table: string | undefined
  /** Of its text, with the names of all tables that it reads. */
  readonly words: ReadonlySet<string>
}

const natures = new WeakMap<Statement<unknown>, Nature>()

function natureOf(statement: Statement<unknown>): Nature {
  const known = natures.get(statement)
  if (known !== undefined) return known
  const sql = statement.postgres?.sql ?? ''
  const nature = {
    isQuestion:
      /^\s*select\b/i.test(sql) && !/\bfor (?:update|share)\b|_timestamp\(|_lock|nextval\(/i.test(sql),
    table: /^\s*(?:insert into|update|delete from)\s+"?(\w+)/i.exec(sql)?.[1],
    words: new Set(sql.match(/\w+/g)),
  }
  natures.set(statement, nature)
  return nature
}
