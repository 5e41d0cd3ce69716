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

/** A user with a home folder of their own, in which logins are stored. */
export interface Session {
  readonly home: string
  /** Account of the login; undefined: anonymous. */
  readonly account: Account | undefined
  run(
    program: string,
    args: readonly string[],
    more?: { readonly input?: string; readonly env?: Readonly<Record<string, string>> },
  ): string
}

/** A server with access control, an image, and any number of homes. */
export interface LoginFixture {
  /** host:port */
  readonly host: string
  readonly folder: string
  /** The server's data. */
  readonly data: string
  /** An image layout with one image, `latest`. */
  readonly image: string
  /** Digest of that image's manifest. */
  readonly digest: string
  session(account?: Account): Session
  /** Returns the server's status for every request so far. */
  close(): Promise<string>
}

/** The operations of one registry client. A failed operation throws the output of the tool. */
export interface LoginTool {
  /** Undefined for a tool that takes credentials as an argument of each command. */
  login?(session: Session): void
  /** Pushes to `<repository>:1`; returns the digest. */
  push(session: Session, repository: string): string
  /** Pulls `<repository>:1` from the registry, never from local storage; returns the digest. */
  pull(session: Session, repository: string): string
  /** Stops what `open` has started. */
  close?(): Promise<void>
}

export interface Scenario<Tool extends LoginTool> {
  readonly skip: string | false
  /** Whether a login asks the server, or only stores the credentials. */
  readonly loginAsks: boolean
  open(fixture: LoginFixture): Tool | Promise<Tool>
}

/** Output of clients after 401. After 403 they print `denial`. */
export const refusal = /unauthorized|\b401\b|invalid username\/password|authorization failed|access.* denied/i
export const denial = /\bdenied: |\b403\b/i
export const admin: Account = { name: 'admin', password: passwords.admin }
export const pusher: Account = { name: 'pusher', password: passwords.pusher }
/** Another name than the pusher's, since repeated failures of one name are answered later and later. */
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

/** Defines the suite of one tool. `more` adds tests of this tool alone. */
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
      // The output of a refused tool rarely tells which earlier reply led to it.
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
