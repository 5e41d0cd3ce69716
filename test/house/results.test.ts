import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Command } from 'commander'
import { programOf } from '../../src/cli/program.ts'

/** Why a command has no result. */
const withoutResult: Readonly<Record<string, string>> = {
  serve: 'its log is JSON with --log-format json',
  completion: 'it prints a script',
}
const forPrograms = new Set(['json', 'yaml', 'jsonl', 'name'])

interface Printing {
  readonly path: string
  readonly forms: readonly string[]
}

const commands = printing(await programOf([]))

function printing(command: Command, path = ''): Printing[] {
  const children = command.commands.flatMap((child) => printing(child, `${path} ${child.name()}`.trim()))
  if (command.commands.length > 0) return children
  const { argChoices = [] } = command.options.find(({ long }) => long === '--output') ?? {}
  return [{ path, forms: argChoices.filter((form) => forPrograms.has(form)) }]
}

test('each command prints a result for programs: objects as JSON and YAML, streams as lines', () => {
  for (const { path, forms } of commands) {
    if (withoutResult[path] !== undefined) {
      assert.deepEqual(forms, [], `${path} has a result: it is no exception any more`)
      continue
    }
    const isStream = forms.includes('jsonl') && !forms.includes('json')
    assert.ok(isStream || (forms.includes('json') && forms.includes('yaml')), `${path}: ${forms.join()}`)
    // What lists a list by name has lines too.
    if (forms.includes('name')) assert.ok(forms.includes('jsonl'), path)
  }
  const known = new Set(commands.map(({ path }) => path))
  for (const path of Object.keys(withoutResult)) assert.ok(known.has(path), `there is no command ${path}`)
})

test('each list of names can be printed as names', () => {
  for (const { path, forms } of commands)
    if (/(^| )list$/.test(path)) assert.ok(forms.includes('name'), `${path}: ${forms.join()}`)
})

test('docs/output.md has each command with the forms that it has', (context) => {
  const text = readFileSync(new URL('../../docs/output.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| (`trow .*?) +\| ([a-z, ()]+?) +\|/gm)].map(
    ([, names = '', forms = '']) => ({
      names,
      forms: new Set(forms.split(', ')),
    }),
  )
  for (const { path, forms } of commands) {
    if (withoutResult[path] !== undefined) continue
    const own = rows.filter(({ names }) => namesOf(names).some((name) => name === path))
    assert.ok(own.length > 0, `${path} has no row`)
    const told = new Set(own.flatMap((row) => [...row.forms]))
    assert.deepEqual([...told].sort(), [...new Set(forms)].sort(), path)
  }
  context.diagnostic(`${commands.length} commands, ${rows.length} rows`)
})

/** `` `trow user add`, `passwd` `` names `user add` and `user passwd`; arguments and options are left out. */
function namesOf(cell: string): string[] {
  let before: readonly string[] = []
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => {
    const words = text.split(' ').filter((word) => /^[a-z][a-z-]*$/.test(word))
    const [first, ...rest] = words
    const own = first === 'trow' ? rest : [...before.slice(0, -1), ...words]
    before = own
    return own.join(' ')
  })
}
