import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { passwords, roleRules, startGated } from '../support/gated-server.ts'
import { runProgram } from '../requirements.ts'
import { makeHome, writeImageLayout } from './fixture.ts'

export interface Account {
  readonly name: string
  readonly password: string
}

/** Somebody at a terminal: a home of their own in which a login is remembered. */
export interface Session {
  readonly home: string
  /** Who logs in here; nobody where it is undefined. */
  readonly account: Account | undefined
  run(
    program: string,
    args: readonly string[],
    more?: { readonly input?: string; readonly env?: Readonly<Record<string, string>> },
  ): string
}

/** A server that asks who everybody is, an image, and any number of homes. */
export interface LoginFixture {
  /** host:port */
  readonly host: string
  readonly folder: string
  /** The server's data. */
  readonly data: string
  /** An image layout with one image, `latest`. */
  readonly image: string
  /** Of that image's manifest. */
  readonly digest: string
  session(account?: Account): Session
  /** Returns what the server has answered to every request. */
  close(): Promise<string>
}

/** How a tool does what every registry client does. Each throws what the tool printed where it fails. */
export interface LoginTool {
  /** Undefined where credentials are an argument of each command. */
  login?(session: Session): void
  /** Pushes to `<repository>:1`; returns the digest. */
  push(session: Session, repository: string): string
  /** Fetches `<repository>:1`, never from what is already here; returns the digest. */
  pull(session: Session, repository: string): string
  /** Ends what `open` has started. */
  close?(): Promise<void>
}

export interface Scenario<Tool extends LoginTool> {
  readonly skip: string | false
  /** Whether a login asks the server, or only writes down what it was told. */
  readonly loginAsks: boolean
  open(fixture: LoginFixture): Tool | Promise<Tool>
}

/** What clients print where nobody, or nobody known, is let in; of a known one who may not, they print `denial`. */
export const refusal = /unauthorized|\b401\b|invalid username\/password|authorization failed|access.* denied/i
export const denial = /\bdenied: |\b403\b/i
export const admin: Account = { name: 'admin', password: passwords.admin }
export const pusher: Account = { name: 'pusher', password: passwords.pusher }
/** Not the pusher: repeated failures of one name are answered later and later. */
const mistaken: Account = { name: 'puller', password: 'not-it' }

export async function openLoginFixture(): Promise<LoginFixture> {
  const folder = join(tmpdir(), `trow-logins-${randomBytes(6).toString('hex')}`)
  mkdirSync(folder)
  const gated = await startGated(
    {
      access: [
        ...roleRules,
        { who: ['authenticated'], repositories: ['public/**'], actions: ['pull', 'list'] },
      ],
    },
    ['--access-log=on'],
  )
  const image = join(folder, 'image')
  let homes = 0
  return {
    host: new URL(gated.url).host,
    folder,
    data: gated.data,
    image,
    digest: await writeImageLayout(image),
    session(account) {
      const home = join(folder, `home${++homes}`)
      const env = makeHome(home)
      return {
        home,
        account,
        run: (program, args, more) =>
          runProgram(program, args, { ...more, env: { ...env, ...more?.env }, cwd: folder }),
      }
    },
    async close() {
      await gated.close()
      rmSync(folder, { recursive: true, force: true })
      return gated.server.output()
    },
  }
}

/** The suite of one tool. `more` adds what only this tool can show. */
export function suiteOfLogin<Tool extends LoginTool>(
  name: string,
  scenario: Scenario<Tool>,
  more?: (parts: () => { readonly fixture: LoginFixture; readonly tool: Tool }) => void,
): void {
  suite(`login: ${name}`, { skip: scenario.skip }, () => {
    let fixture: LoginFixture
    let tool: Tool
    const loggedIn = (account: Account): Session => {
      const session = fixture.session(account)
      tool.login?.(session)
      return session
    }
    before(async () => {
      fixture = await openLoginFixture()
      tool = await scenario.open(fixture)
      const keeper = loggedIn(admin)
      for (const repository of ['public/app', 'team/kept']) tool.push(keeper, repository)
    })
    after(async (context) => {
      await tool?.close?.()
      const answers = await fixture?.close()
      // What a tool prints when it is refused seldom says what it had been told before.
      if (!context.passed) console.error(`the server of the login with ${name}:\n${answers}`)
    })

    test('a wrong password is refused', () => {
      const session = fixture.session(mistaken)
      if (scenario.loginAsks) {
        assert.throws(() => tool.login?.(session), refusal)
        return
      }
      tool.login?.(session)
      assert.throws(() => tool.pull(session, 'team/kept'), refusal)
      assert.throws(() => tool.push(session, 'team/app'), refusal)
    })

    test('who has logged in pushes, and pulls the same digest', () => {
      const session = loggedIn(pusher)
      const pushed = tool.push(session, 'team/app')
      assert.match(pushed, /^sha256:[0-9a-f]{64}$/)
      assert.equal(tool.pull(session, 'team/app'), pushed)
      assert.match(tool.pull(session, 'public/app'), /^sha256:/)
      assert.throws(() => tool.push(session, 'public/new'), denial)
      assert.throws(() => tool.push(session, 'other/app'), denial)
    })

    test('who has not pulls what is public, and nothing else', () => {
      const session = fixture.session()
      assert.match(tool.pull(session, 'public/app'), /^sha256:[0-9a-f]{64}$/)
      assert.throws(() => tool.pull(session, 'team/kept'), refusal)
      assert.throws(() => tool.push(session, 'team/app'), refusal)
      assert.throws(() => tool.push(session, 'public/new'), refusal)
    })

    more?.(() => ({ fixture, tool }))
  })
}

/** The digest that an image layout's index names. */
export function digestInLayout(folder: string): string {
  const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as {
    manifests: { digest: string }[]
  }
  return index.manifests[0]?.digest ?? ''
}
