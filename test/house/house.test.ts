import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { ociErrorStatus } from '../../src/oci/oci-error.ts'

const execute = promisify(execFile)
const root = new URL('../..', import.meta.url).pathname
const bin = (name: string): string => `${root}node_modules/.bin/${name}`

async function check(name: string, ...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execute(bin(name), args, { cwd: root, maxBuffer: 64 * 1024 * 1024 })
    return stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    assert.fail(`${name} ${args.join(' ')}\n${stdout}${stderr}`)
  }
}

test('the types fit', async () => {
  await check('tsc', '-p', '.')
})
test('the linter finds nothing', async () => {
  await check('oxlint', '--type-aware', '--deny-warnings')
})
test('the formatter changes nothing', async () => {
  await check('prettier', '--check', '.')
})
test('nothing is unused', async () => {
  await check('knip')
})

test('imports follow the arrows', async () => {
  const output = await check(
    'depcruise',
    '--config',
    '.dependency-cruiser.cjs',
    '--output-type',
    'json',
    'src',
  )
  const { modules, summary } = JSON.parse(output) as {
    modules: { source: string }[]
    summary: { violations: { rule: { name: string }; from: string; to: string }[] }
  }
  assert.deepEqual(summary.violations, [])
  // A reader that reads nothing finds no violation either.
  const read = modules.map(({ source }) => source).filter((source) => source.startsWith('src/'))
  assert.equal(read.length, globSync('src/**/*.ts', { cwd: root }).length)
})

test('tests stand in the folder of what they test, or of a kind that CONTRIBUTING.md names', () => {
  const text = readFileSync(`${root}CONTRIBUTING.md`, 'utf8')
  const [, bullet = ''] = /\*\*Where tests go\.\*\*(.*?)\n- /s.exec(text) ?? []
  const kinds = [...bullet.matchAll(/`([a-z0-9-]+)`/g)].map(([, kind = '']) => kind)
  const folders = new Set(globSync('test/*/**/*.ts', { cwd: root }).map((file) => file.split('/')[1] ?? ''))
  const besides = [...folders].filter((folder) => !existsSync(`${root}src/${folder}`))
  assert.deepEqual(besides.sort(), kinds.sort())
})

test('process and console are used only in cli and serve', () => {
  // These read which system and which user it is.
  const usesThem = /^src\/(cli\/|serve\/|login\/(engine|login)\.ts$)/
  for (const file of globSync('src/**/*.ts', { cwd: root })) {
    if (usesThem.test(file)) continue
    const text = readFileSync(`${root}${file}`, 'utf8')
    assert.ok(!/(?<![.\w])(process|console)\.\w/.test(text), file)
  }
})

test('foreign JSON is parsed by a schema', () => {
  // Those read what the same program has written into its own database or its own cache, or check each value by themselves.
  const own =
    /^src\/(metadata\/(rules|sqlite)|oci|image|access)\/|^src\/(foreign-json|cli\/version|audit\/(audit-record|webhook-sink))\.ts$/
  for (const file of globSync('src/**/*.ts', { cwd: root })) {
    if (own.test(file)) continue
    const text = readFileSync(`${root}${file}`, 'utf8')
    const cast = /JSON\.parse\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)? as (?!unknown\b).*/.exec(text)
    assert.equal(cast?.[0], undefined, `${file}: parseForeignJson (src/foreign-json.ts) takes a schema`)
  }
})

test('words of the schema library reach nobody', () => {
  // Those give every issue words of trow: `error` of safeParse.
  const speakers =
    /^src\/(foreign-json|policy\/load-problem|settings\/settings|cli\/install\/serve-file)\.ts$/
  for (const file of globSync('src/**/*.ts', { cwd: root })) {
    if (speakers.test(file)) continue
    const text = readFileSync(`${root}${file}`, 'utf8')
    const said = /.*(?:\b(?:prettify|treeify|flatten|format)Error\b|\berror\.issues\b|\bZodError\b).*/.exec(
      text,
    )
    assert.equal(said?.[0], undefined, `${file}: checkForeign (src/foreign-json.ts) says what is wrong`)
  }
})

test('what was thrown is asked for its reason, and not taken for an error', () => {
  for (const file of globSync('src/**/*.ts', { cwd: root })) {
    const text = readFileSync(`${root}${file}`, 'utf8')
    const cast = /.*\bas Error\)\.(message|stack).*|.*\} = \w+ as Error$/m.exec(text)
    assert.equal(cast?.[0], undefined, `${file}: reasonOf and stackOf (src/reason-of.ts) take anything`)
  }
})

test('docs/errors.md lists exactly the codes that exist, each kind in its table', () => {
  const [, clients = '', terminal = ''] = readFileSync(`${root}docs/errors.md`, 'utf8').split(/^## /m)
  const documented = (table: string): Set<string | undefined> =>
    new Set([...table.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, code]) => code))
  const sources = globSync('src/**/*.ts', { cwd: root }).map((file) => readFileSync(`${root}${file}`, 'utf8'))
  const thrown = sources.flatMap((text) =>
    [...text.matchAll(/(?:new UserError|super)\(\s*'([A-Z_]+)'/g)].flatMap(([, code = '']) =>
      code in ociErrorStatus ? [] : code,
    ),
  )
  assert.deepEqual(documented(clients), new Set(Object.keys(ociErrorStatus)))
  assert.deepEqual(documented(terminal), new Set(thrown))
})
