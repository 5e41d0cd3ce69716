import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { programOf } from '../../src/cli/program.ts'
import { ociErrorStatus } from '../../src/oci/oci-error.ts'
import { fileOnly, settingNames } from '../../src/settings/setting-info.ts'
import { commandVariables, variableOf } from '../../src/settings/settings-variables.ts'
import { exitCode } from '../../src/user-error.ts'
import { admissionText, registryText } from '../serve/metrics/every-metric.ts'
import { pagesOf } from '../../scripts/pages/command-page.ts'
import { foreignVariables } from '../../scripts/pages/environment.ts'

const root = new URL('../..', import.meta.url).pathname
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8')
const sources = globSync('src/**/*.ts', { cwd: root }).map(read)

function matchesOf(texts: readonly string[], pattern: RegExp): ReadonlySet<string> {
  return new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map(([, match = '']) => match)))
}

test('each command has its page, and each option stands there', async (context) => {
  const pages = pagesOf(await programOf([]))
  let options = 0
  for (const { name, path, options: groups, parent } of pages) {
    const text = read(`docs/cli/${parent === undefined ? 'README' : name}.md`)
    assert.ok(text.startsWith(parent === undefined ? '# Commands' : `# ${path}\n`), name)
    for (const { term } of groups.flatMap(({ items }) => items)) {
      if (parent === undefined) continue
      options++
      assert.ok(text.includes(`\`${term.replaceAll('|', '\\|')}\``), `${path} ${term}`)
    }
  }
  context.diagnostic(`${pages.length - 1} commands, ${options} options`)
})

test('each setting is in the reference, and on the page of trow serve with its variable', (context) => {
  const [reference, page] = [read('docs/configuration.md'), read('docs/cli/trow-serve.md')]
  for (const name of settingNames) {
    assert.match(reference, new RegExp(`^\\| \`${name}\` `, 'm'))
    if (fileOnly.has(name)) continue
    assert.match(page, new RegExp(`^\\| \`--${name}[ \`].*\`${variableOf(name)}\``, 'm'))
  }
  context.diagnostic(`${settingNames.length} settings`)
})

test('each variable that is read is documented', (context) => {
  const page = read('docs/cli/README.md')
  const documented = [...Object.keys(commandVariables), ...Object.keys(foreignVariables)]
  for (const name of documented) assert.match(page, new RegExp(`^\\| \`${name}\` `, 'm'))
  const known = new Set([...documented, ...settingNames.map((name) => variableOf(name))])
  const used = sources.flatMap((text) => [
    ...[...text.matchAll(/\benv\[['"]([A-Z][A-Z_0-9]+)['"]\]/gi)].map(([, name = '']) => name),
    ...[...text.matchAll(/\{([^{}]*)\} = (?:\w+\.)*env\b/g)].flatMap(
      ([, names = '']) => names.match(/\b[A-Z][A-Z_0-9]+\b/g) ?? [],
    ),
  ])
  assert.deepEqual(
    [...new Set(used)].filter((name) => !known.has(name)),
    [],
  )
  context.diagnostic(`${documented.length} variables beside those of settings`)
})

test('error codes and exit codes', (context) => {
  const errors = read('docs/errors.md')
  const codes = matchesOf(sources, /new UserError\(\s*'([A-Z][A-Z_0-9]*)'/g)
  const documented = [...errors.matchAll(/^\| `([A-Z][A-Z_0-9]*)`/gm)].map(([, code = '']) => code)
  assert.equal(new Set(documented).size, documented.length, 'a code stands there once')
  const ofClients = Object.keys(ociErrorStatus)
  assert.deepEqual(documented.toSorted(), [...new Set([...ofClients, ...codes])].toSorted())
  const guide = read('docs/user-guide.md')
  for (const code of Object.values(exitCode)) assert.match(guide, new RegExp(`\\b${code} [a-z]`))
  context.diagnostic(
    `${ofClients.length} codes for clients, ${codes.size} for people, ${Object.keys(exitCode).length + 1} exit codes`,
  )
})

test('codes of problems of nodes', (context) => {
  const codes = matchesOf(sources, /\bcode: '([A-Z]+(?:_[A-Z]+)+)',\n/g)
  const pages = globSync('docs/*.md', { cwd: root }).map(read).join('\n')
  for (const code of codes) assert.match(pages, new RegExp(`^\\| \`${code}\` `, 'm'))
  context.diagnostic(`${codes.size} codes of problems`)
})

test('each metric is documented, with its type, and no other is', async (context) => {
  const texts = [await registryText(), await admissionText()]
  const exposed = matchesOf(texts, /^# TYPE (\S+ \S+)$/gm)
  const documented = [
    ...read('docs/operations.md').matchAll(/^\| `((?:trow|process|nodejs)_\w+)` +\| (\w+) /gm),
  ]
  const listed = documented.map(([, name, type]) => `${name} ${type}`)
  assert.deepEqual(listed.toSorted(), [...exposed].toSorted())
  context.diagnostic(`${exposed.size} metrics`)
})
