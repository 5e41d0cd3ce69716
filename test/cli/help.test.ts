import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import type { Command } from 'commander'
import { loadCommands } from '../../src/cli/command-table.ts'
import { notesOf, printNotes } from '../../src/cli/help/help-notes.ts'
import { optionText } from '../../src/cli/help/option-text.ts'
import { pathOf } from '../../src/cli/help/help-layout.ts'
import { programOf } from '../../src/cli/program.ts'
import { checkError } from '../support/check-result.ts'
import { runCommand } from '../support/run-trow.ts'

test('help of a command that there is not is an error that names the nearest', async () => {
  const { code, stderr } = await runCommand(['help', 'serv'])
  assert.equal(code, 2)
  assert.match(stderr, /trow: unknown command 'serv'\n\(Did you mean serve\?\)/)
  const below = await runCommand(['policy', 'help', 'nope'])
  assert.equal(below.code, 2)
  assert.match(below.stderr, /unknown command 'nope'/)
})

suite('a guess at what was meant', () => {
  for (const [args, guess] of [
    [['lst'], 'list'],
    [['psuh'], 'push'],
    [['image', 'psh'], 'push'],
    [['list', '--outptu', 'json'], '--output'],
    [['serve', '--lisen=127.0.0.1:0'], '--listen'],
    // Two of four letters differ from those of `copy` and of `node`.
    [['nope'], undefined],
    [['list', '--nope'], undefined],
    [['list', '-z'], undefined],
  ] as const)
    test(`${args.join(' ')}: ${guess ?? 'none, where nothing is near'}`, async () => {
      const { code, stderr } = await runCommand(args)
      assert.equal(code, 2)
      const [, found] = /^\(Did you mean (.*)\?\)$/m.exec(stderr) ?? []
      assert.equal(found, guess)
      const { hint } = checkError((await runCommand([...args, '-o', 'json'])).stderr)
      assert.equal(hint, guess === undefined ? undefined : `Did you mean ${guess}?`)
    })
})

test('help of a command is that of its --help', async () => {
  const [help, flag] = [await runCommand(['help', 'gc']), await runCommand(['gc', '--help'])]
  assert.equal(help.code, 0)
  assert.equal(help.stdout, flag.stdout)
  assert.equal((await runCommand(['help'])).code, 0)
  assert.equal((await runCommand(['policy', 'help', 'lint'])).code, 0)
})

const program = await programOf([])
const commands = allOf(program)

suite('every command', () => {
  for (const command of commands) {
    const path = pathOf(command)
    test(`${path}: described, with examples that name it, in one style`, () => {
      assertPhrase(command.description(), path)
      const lines = notesOf(command).flatMap((note) => (note.kind === 'commands' ? note.lines : []))
      assert.ok(
        lines.some((line) => line.includes(path)),
        `${path} has no example: .addHelpText(...examples('${path} …'))`,
      )
      for (const option of command.options) {
        const { description } = optionText(option)
        assertPhrase(description, `${path} ${option.flags}`)
        assert.doesNotMatch(
          description,
          /\(default|\bdefault [A-Z0-9]/,
          `${path} ${option.flags}: write (default: …) at its end`,
        )
        assert.doesNotMatch(description, /again for/, `${path} ${option.flags}: write "may be repeated"`)
      }
      for (const argument of command.registeredArguments)
        assert.notEqual(argument.description, '', `${path} <${argument.name()}>`)
    })
  }

  for (const columns of [40, 60, 80, 120]) {
    test(`fits ${columns} columns`, async () => {
      for (const command of commands) {
        const args = pathOf(command).split(' ').slice(1)
        const { stdout, code } = await runCommand([...args, '--help'], { columns })
        assert.equal(code, 0)
        for (const line of stripVTControlCharacters(stdout).split('\n')) {
          const words = line.trim().split(' ')
          assert.ok(line.length <= columns || words.length <= 2, `${pathOf(command)}: ${line}`)
        }
      }
    })
  }

  test('has a heading of its own in the help of trow', () => {
    for (const command of program.commands) assert.notEqual(command.helpGroup(), '', command.name())
  })
})

test('a setting is under the heading of its group', async () => {
  const { stdout } = await runCommand(['serve', '--help'])
  assert.match(stdout, /^Garbage:\n(  .*\n)*  --gc-grace <duration> +how long/m)
  assert.match(stdout, /^  --workers <n> +threads that answer requests \(default: one a\n/m)
})

test('a command that is too long goes on in the next line, outside quotes', () => {
  const notes = [
    { kind: 'commands', lines: ['trow x --reason "a long reason for it" --expires 7d'] },
  ] as const
  assert.equal(printNotes(notes, 40), '\n  trow x --reason \\\n    "a long reason for it" --expires 7d\n')
})

test('colours are those of the terminal', async () => {
  const { stdout } = await runCommand(['--help'], { columns: 80 })
  assert.ok(stdout.includes('\u001b[36mserve\u001b[39m'))
  assert.ok(stdout.includes('\n\u001b[1mExamples:\u001b[22m\n'))
  const plain = await runCommand(['--help'], { columns: 80, env: { NO_COLOR: '1' } })
  assert.equal(plain.stdout, stripVTControlCharacters(stdout))
})

test('hidden commands are not among those of the help', async () => {
  const make = await loadCommands('admission')
  assert.equal(typeof make, 'function')
  assert.ok(!commands.some((command) => command.name() === 'admission'))
})

test('every example is a command line that trow takes', async () => {
  const lines = commands.flatMap((command) =>
    notesOf(command).flatMap((note) => (note.kind === 'commands' ? joined(note.lines) : [])),
  )
  const given = lines.flatMap((line) =>
    [...line.replace(/ #.*/, '').matchAll(/(?:^|sudo |\| |<\()(trow [^|>)]*)/g)].map(([, words = '']) =>
      words.trim(),
    ),
  )
  assert.ok(given.length > commands.length)
  for (const line of given) {
    const [, ...words] = (line.match(/(?:"[^"]*"|'[^']*'|\S)+/g) ?? []).map((word) =>
      word.replaceAll(/["']/g, ''),
    )
    const fresh = await programOf(words)
    for (const command of allOf(fresh)) {
      command.configureOutput({ writeErr: () => {}, writeOut: () => {} })
      if (command.commands.length === 0) command.action(() => {})
    }
    await assert.doesNotReject(fresh.parseAsync(words, { from: 'user' }), line)
  }
})

/** A line that ends with a backslash goes on in the next. */
function joined(lines: readonly string[]): readonly string[] {
  return lines
    .join('\n')
    .replaceAll(/ \\\n +/g, ' ')
    .split('\n')
}

function allOf(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(allOf)]
}

/** A phrase: no capital at its beginning but that of a name or a placeholder, no full stop at its end. */
function assertPhrase(text: string, where: string): void {
  assert.ok(text.length >= 8, `${where}: "${text}" says too little`)
  assert.doesNotMatch(text, /\.$/, `${where}: "${text}" ends with a full stop`)
  assert.match(text, /^([a-z]|[A-Z]{2}|An OCI|[A-Z][a-z]+[A-Z]|[Dd]ebian)/, `${where}: "${text}"`)
}
