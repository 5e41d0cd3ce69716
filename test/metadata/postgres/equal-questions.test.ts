import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { EqualQuestions } from '../../../src/metadata/postgres/equal-questions.ts'
import { ownStatement } from '../../../src/metadata/postgres/own-statement.ts'
import type { Statement, Values } from '../../../src/metadata/rules/bind.ts'

const repository = ownStatement('a', 'select "id" from "repository" where "name" = $1', ['name'])
const locked = ownStatement('b', 'select id from outbox_head for update skip locked', [])
const clock = ownStatement('c', 'select clock_timestamp() as now', [])
const insertRepository = ownStatement('d', 'insert into "repository" ("name") values ($1)', ['name'])
const insertBlob = ownStatement('e', 'insert into "repository_blob" values ($1)', ['name'])
const strange = ownStatement('f', 'with gone as (delete from blob returning 1) select 1', [])

suite('equal questions of a transaction', () => {
  function open() {
    const questions = new EqualQuestions()
    const sent: { name: string; answer: PromiseWithResolvers<string> }[] = []
    const ask = (statement: Statement<unknown>, values: Values = {}): Promise<string> =>
      questions.ask(statement, values, () => {
        const answer = Promise.withResolvers<string>()
        sent.push({ name: statement.postgres?.name ?? '', answer })
        return answer.promise
      })
    return { questions, sent, ask }
  }

  test('one that is under way is not sent again; one that was answered is', async () => {
    const { sent, ask } = open()
    const both = [ask(repository, { name: 'a' }), ask(repository, { name: 'a', more: 1 })]
    void ask(repository, { name: 'b' })
    assert.equal(sent.length, 2)
    sent[0]?.answer.resolve('found')
    assert.deepEqual(await Promise.all(both), ['found', 'found'])
    void ask(repository, { name: 'a' })
    assert.equal(sent.length, 3)
  })

  test('what was written since to what it reads is asked for again', () => {
    const { questions, sent, ask } = open()
    void ask(repository, { name: 'a' })
    questions.written(insertBlob)
    void ask(repository, { name: 'a' })
    assert.equal(sent.length, 1, 'another table')
    questions.written(insertRepository)
    void ask(repository, { name: 'a' })
    assert.equal(sent.length, 2)
    void ask(strange)
    void ask(repository, { name: 'a' })
    assert.equal(sent.length, 4, 'nobody knows what it writes')
  })

  test('what locks, tells the time or has bytes is always sent', () => {
    const { sent, ask } = open()
    for (const statement of [locked, clock]) for (let count = 0; count < 2; count++) void ask(statement)
    for (let count = 0; count < 2; count++) void ask(repository, { name: Buffer.from('a') })
    assert.equal(sent.length, 6)
  })

  test('an error comes to all who have asked, and the question is open again', async () => {
    const { sent, ask } = open()
    const both = [ask(repository), ask(repository)]
    sent[0]?.answer.reject(new Error('gone'))
    for (const each of both) await assert.rejects(each, /gone/)
    void ask(repository)
    assert.equal(sent.length, 2)
  })
})
