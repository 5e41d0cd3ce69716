import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { readFile, mkdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { plainReason } from '../src/plain-reason.ts'
import { freePort } from './support/free-port.ts'

const thrownBy = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => error,
  )

test('what the system refuses is said in words, without the name of a call', async () => {
  assert.equal(plainReason(await thrownBy(readFile(tmpdir()))), 'it is a folder, not a file')
  assert.equal(plainReason(await thrownBy(readFile('/nowhere/at-all'))), 'there is no such file')
  const below = await thrownBy(mkdir('/dev/null/folder'))
  assert.equal(plainReason(below), 'there is a file where a folder is to be')
  const [refused] = (await once(connect(await freePort(), '127.0.0.1'), 'error')) as [Error]
  assert.equal(plainReason(refused), 'nothing listens there')
  const name = await thrownBy(lookup('registry.invalid'))
  assert.match(plainReason(name), /^its name (is not known|could not be looked up)$/)
})

test('several addresses that refuse alike have one reason', () => {
  const refused = (): Error => Object.assign(new Error('x'), { code: 'ECONNREFUSED', syscall: 'connect' })
  assert.equal(plainReason(new AggregateError([refused(), refused()])), 'nothing listens there')
  assert.equal(plainReason(new AggregateError([])), 'AggregateError')
})

test('every other error has its own reason', () => {
  assert.equal(plainReason(Object.assign(new Error('no entry'), { code: 'ENOENT' })), 'no entry')
  assert.equal(plainReason(new Error('the disk is full')), 'the disk is full')
  assert.equal(plainReason(undefined), 'no reason was given')
})
