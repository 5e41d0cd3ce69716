import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bcrypt, hashPassword } from '../../src/access/bcrypt.ts'
import { FailureDelays } from '../../src/access/failures.ts'
import { Passwords } from '../../src/access/passwords.ts'

const home = '10.0.0.1'
const away = '10.0.0.2'
const hashes = { alice: await hashPassword('right', 4), bob: await hashPassword('other', 6) }

suite('passwords', () => {
  /** Real bcrypt hashes; `work` counts the rounds of each. */
  function open(users: Readonly<Record<string, string>> = hashes, concurrency = 2) {
    let now = 1_000_000
    const work: number[] = []
    let running = 0
    let most = 0
    const delays = new FailureDelays({ now: () => now })
    const passwords = new Passwords({
      users: new Map(Object.entries(users)),
      bcrypt: {
        async verify(password, hashed) {
          work.push(2 ** Number(hashed.slice(4, 6)))
          most = Math.max(most, ++running)
          try {
            return await bcrypt.verify(password, hashed)
          } finally {
            running--
          }
        },
      },
      delays,
      now: () => now,
      key: new Uint8Array(32).fill(7),
      concurrency,
    })
    return {
      passwords,
      delays,
      work,
      get most() {
        return most
      },
      rounds: () => work.splice(0).reduce((sum, each) => sum + each, 0),
      pass: (milliseconds: number) => void (now += milliseconds),
      now: () => now,
    }
  }

  test('a right password is hashed once, however many requests come at once and later', async () => {
    const { passwords, work, now } = open()
    const all = await Promise.all(Array.from({ length: 50 }, () => passwords.verify('alice', 'right', home)))
    for (const answer of all) {
      assert.ok(answer.ok)
      assert.equal(answer.principal.name, 'alice')
      assert.equal(answer.principal.reviewable, false)
      assert.ok(answer.until > now() && answer.until <= now() + 10_000)
    }
    await passwords.verify('alice', 'right', home)
    assert.equal(work.length, 1)
  })

  test('a wrong password and an unknown user always cost what the most expensive hash costs', async () => {
    const { passwords, rounds, pass } = open()
    await passwords.verify('alice', 'right', home)
    await passwords.verify('bob', 'other', home)
    rounds()
    for (const [name, password] of [
      ['alice', 'wrong'],
      ['bob', 'wrong'],
      ['nobody', 'right'],
      ['alice', 'wrong'],
      ['alice', ''],
    ] as const) {
      const answer = await passwords.verify(name, password, home)
      assert.ok(!answer.ok && answer.kind === 'refused')
      assert.equal(answer.reason, 'the user name or the password is wrong')
      assert.equal(rounds(), 2 ** 6, `${name} ${password}`)
      pass(60_000)
    }
  })

  test('a wrong answer may not be kept by anybody', async () => {
    const { passwords, now } = open()
    const answer = await passwords.verify('alice', 'wrong', home)
    assert.equal(answer.until, now())
  })

  test('who guesses must wait, without a hash; the right password known from there passes, from elsewhere not', async () => {
    const { passwords, rounds, pass } = open()
    await passwords.verify('alice', 'right', home)
    for (const source of [home, away])
      for (let n = 0; n < 4; n++) await passwords.verify('alice', `guess${n}`, source)
    rounds()
    const throttled = await passwords.verify('alice', 'guess', home)
    assert.ok(!throttled.ok && throttled.kind === 'throttled')
    assert.equal(throttled.retryAfter, 1)
    assert.ok((await passwords.verify('alice', 'right', home)).ok)
    const elsewhere = await passwords.verify('alice', 'right', away)
    assert.ok(!elsewhere.ok && elsewhere.kind === 'throttled')
    assert.equal(rounds(), 0)
    pass(1000)
    assert.ok((await passwords.verify('alice', 'right', away)).ok)
  })

  test('a neighbour behind the same proxy is not locked out', async () => {
    const { passwords } = open()
    for (let n = 0; n < 6; n++) await passwords.verify('alice', `guess${n}`, home)
    assert.ok((await passwords.verify('bob', 'other', home)).ok)
  })

  test('hashes are few at a time; beyond a bounded queue callers are sent away', async () => {
    const opened = open(hashes, 2)
    const answers = await Promise.all(
      Array.from({ length: 90 }, (_, n) => opened.passwords.verify(`user${n}`, 'x', `10.1.0.${n % 9}`)),
    )
    assert.equal(opened.most, 2)
    const kinds = answers.map((answer) => (answer.ok ? 'ok' : answer.kind))
    assert.equal(kinds.filter((kind) => kind === 'refused').length, 66)
    assert.equal(kinds.filter((kind) => kind === 'throttled').length, 24)
  })

  test('what was known ends with a new file, at once', async () => {
    const { passwords } = open()
    const first = await passwords.verify('alice', 'right', home)
    assert.ok(first.ok)
    passwords.replace(new Map([['alice', await hashPassword('new', 4)]]))
    assert.ok(!(await passwords.verify('alice', 'right', home)).ok)
    const second = await passwords.verify('alice', 'new', home)
    assert.ok(second.ok)
    assert.notEqual(second.principal.credentialId, first.principal.credentialId)
    passwords.replace(new Map())
    assert.ok(!(await passwords.verify('alice', 'new', home)).ok)
    assert.equal(passwords.find('alice'), undefined)
  })

  test('a password that is being hashed when its line changes is judged by the new line', async () => {
    const next = await hashPassword('new', 4)
    let swap = (): void => {}
    const passwords = new Passwords({
      users: new Map([['alice', hashes.alice]]),
      bcrypt: {
        async verify(password, hashed) {
          swap()
          return bcrypt.verify(password, hashed)
        },
      },
      delays: new FailureDelays({ now: () => 1 }),
      now: () => 1,
      key: new Uint8Array(32),
    })
    swap = () => {
      swap = () => {}
      passwords.replace(new Map([['alice', next]]))
    }
    assert.ok(!(await passwords.verify('alice', 'right', home)).ok)
  })
})
