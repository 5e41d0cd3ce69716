import assert from 'node:assert/strict'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { Command } from 'commander'
import { withPlace } from '../../src/cli/help/placed-hint.ts'
import { UserError } from '../../src/user-error.ts'
import { programOf } from '../../src/cli/program.ts'
import { putImage } from '../support/registry-content.ts'
import { runCommand } from '../support/run-trow.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-hints-'))
let server: ServerProcess
before(async () => {
  server = await startedServer({ data: join(folder, 'data') })
  await putImage(server.url, 'team/app', { tag: '2' })
})
after(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

suite('a hint can be typed as it stands', () => {
  test('it keeps the registry that a flag names, and what belongs to it', async () => {
    const place = ['--registry', server.url, '--plain-http']
    const { stderr, code } = await runCommand(['inspect', 'team/app:1', ...place], { env: { HOME: folder } })
    assert.equal(code, 1)
    assert.match(stderr, /\(NOT_FOUND\)\n/)
    assert.ok(stderr.includes(`  trow list --registry ${server.url} --plain-http team/app shows`), stderr)
  })

  test('it keeps the registry that the name itself names', async () => {
    const { host } = new URL(server.url)
    const { stderr } = await runCommand(['inspect', `${host}/team/app:1`], { env: { HOME: folder } })
    assert.ok(stderr.includes(`  trow list --registry ${host} team/app shows`), stderr)
  })

  test('a repository that does not exist is not listed, but those that do', async () => {
    const { host } = new URL(server.url)
    const { stderr, code } = await runCommand(['inspect', `${host}/team/ap:1`], { env: { HOME: folder } })
    assert.equal(code, 1)
    assert.equal(
      stderr,
      `trow: there is no repository team/ap (NOT_FOUND)\n  trow list --registry ${host} shows all of them.\n`,
    )
  })

  test('it keeps a folder, in quotes where the shell needs them', async () => {
    const htpasswd = join(folder, 'my users')
    const add = ['user', 'add', 'alice', '--htpasswd', htpasswd]
    assert.equal((await runCommand(add, { input: 'correct horse battery\n' })).code, 0)
    const { stderr } = await runCommand(['user', 'rm', 'bob', '--htpasswd', htpasswd])
    assert.ok(stderr.includes(`  trow user list --htpasswd '${htpasswd}' shows all.`), stderr)
  })

  test('a registry that the hint names is not named twice', async () => {
    const { host } = new URL(server.url)
    const acting = new Command('list').option('--registry <url>')
    acting.parse(['--registry', `http://${host}`], { from: 'user' })
    const error = new UserError('X', 'x', { hint: `trow login ${host} keeps it, trow list shows it.` })
    const placed = await withPlace(error, acting, async (name) =>
      new Command(name).option('--registry <url>'),
    )
    assert.equal(
      (placed as UserError).hint,
      `trow login ${host} keeps it, trow list --registry http://${host} shows it.`,
    )
  })

  test('without such flags it stays', async () => {
    const { stderr } = await runCommand(['inspect', 'team/app:1'], {
      env: { HOME: folder, TROW_REGISTRY: server.url },
    })
    assert.match(stderr, /^ {2}trow list team\/app shows/m)
  })
})

test('wrong usage names the command whose help tells more', async () => {
  assert.match((await runCommand(['policy', 'lint', '--nope'])).stderr, /\n\(trow policy lint --help prints/)
  assert.match((await runCommand(['gc', '--nope'])).stderr, /\n\(trow gc --help prints/)
  assert.match((await runCommand(['nope'])).stderr, /\n\(trow --help lists the commands\)/)
})

test('hints name commands that there are, with their group', async () => {
  const program = await programOf([])
  const byName = new Map(program.commands.map((command) => [command.name(), command]))
  const wrong: string[] = []
  for (const file of globSync('src/**/*.ts')) {
    const text = readFileSync(file, 'utf8')
    for (const [, hint = ''] of text.matchAll(/hint:\s*((?:'[^']*'|`[^`]*`|"[^"]*"))/g)) {
      for (const [whole, first = '', second = ''] of hint.matchAll(
        /(?<![\w/-])trow ([a-z-]+)(?: ([a-z-]+))?/g,
      )) {
        const command = byName.get(first)
        if (command === undefined && prose.includes(first)) continue
        const below = command?.commands.map((child) => child.name()) ?? ['']
        if (below.length > 0 && !below.includes(second)) wrong.push(`${file}: ${whole}`)
      }
    }
  }
  assert.deepEqual(wrong, [])
})

/** What follows the name of trow in sentences about it. */
const prose = ['database', 'each', 'for', 'is', 'knows', 'makes', 'may', 'needs', 'that']
