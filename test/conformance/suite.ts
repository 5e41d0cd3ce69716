import assert from 'node:assert/strict'
import type { Answer, Connection } from './connection.ts'

export type Status = 'Pass' | 'Skip' | 'FAIL'

export interface Leaf {
  /** `group/case/operation`. */
  readonly name: string
  readonly status: Status
  readonly reason: string | undefined
}

/** What is not supported and may be left out, in words. */
export class Skipped extends Error {}

export interface Target {
  readonly connection: Connection
  /** Two repositories of the tests' own. */
  readonly repositories: readonly [string, string]
  /** The registry takes manifests whose content is not there. */
  readonly sparse: boolean
}

/** Runs leaves one after another and notes how each ended; a leaf that fails does not stop the next. */
export class Suite {
  readonly target: Target
  readonly leaves: Leaf[] = []
  readonly #only: RegExp
  #group = ''

  constructor(target: Target, only = /(?:)/) {
    this.target = target
    this.#only = only
  }

  async group(name: string, run: () => Promise<void>): Promise<void> {
    const outer = this.#group
    this.#group = outer === '' ? name : `${outer}/${name}`
    try {
      await run()
    } finally {
      this.#group = outer
    }
  }

  async leaf(name: string, run: () => Promise<void>): Promise<void> {
    const full = `${this.#group}/${name}`
    try {
      await run()
      this.#note(full, 'Pass', undefined)
    } catch (error) {
      const { message } = error as Error
      this.#note(full, error instanceof Skipped ? 'Skip' : 'FAIL', message)
    }
  }

  count(status: Status): number {
    return this.leaves.filter((leaf) => leaf.status === status).length
  }

  #note(name: string, status: Status, reason: string | undefined): void {
    if (this.#only.test(name)) this.leaves.push({ name, status, reason })
  }
}

export function expectStatus(answer: Answer, ...allowed: readonly number[]): void {
  assert.ok(
    allowed.includes(answer.status),
    `status ${answer.status}, expected ${allowed.join(' or ')}: ${answer.body.toString().slice(0, 300)}`,
  )
}

export function header(answer: Answer, name: string): string {
  const value = answer.headers[name.toLowerCase()]
  assert.ok(value !== undefined, `header ${name} is missing`)
  return Array.isArray(value) ? value.join(', ') : value
}

/** The specification's JSON with a known code. */
export function expectError(answer: Answer, status: number, ...codes: readonly string[]): void {
  expectStatus(answer, status)
  assert.equal(header(answer, 'content-type'), 'application/json')
  const { errors } = JSON.parse(answer.body.toString()) as { errors: { code: string; message: string }[] }
  assert.ok(Array.isArray(errors) && errors.length > 0, 'no errors in the body')
  assert.ok(
    errors.every((error) => typeof error.code === 'string' && typeof error.message === 'string'),
    'an error without code or message',
  )
  if (codes.length > 0)
    assert.ok(
      codes.includes(errors[0]?.code ?? ''),
      `code ${errors[0]?.code}, expected ${codes.join(' or ')}`,
    )
}
