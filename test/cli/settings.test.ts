import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runCommand } from '../support/run-trow.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-settings-'))
after(() => rmSync(folder, { recursive: true }))

function config(text: string): string {
  const path = join(folder, 'trow.yaml')
  writeFileSync(path, text)
  return path
}

async function effective(args: string[], env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await runCommand(['serve', '--print-config', ...args], { env })
  assert.equal(code, 0, stderr)
  return stdout
}

test('a flag outranks its variable, that the file, that the default', async () => {
  const path = config('gc-grace: 3h\n')
  assert.match(await effective([]), /^gc-grace: 24h # default$/m)
  assert.match(await effective(['--config', path]), /^gc-grace: 3h # .*trow\.yaml$/m)
  const env = { TROW_GC_GRACE: '2h' }
  assert.match(await effective(['--config', path], env), /^gc-grace: 2h # TROW_GC_GRACE$/m)
  assert.match(await effective(['--config', path, '--gc-grace', '1h'], env), /^gc-grace: 1h # --gc-grace$/m)
})

test('the printed settings are a trow.yaml that means the same', async () => {
  const args = [
    '--listen',
    '[::1]:5000',
    '--tls-san',
    'a.example,b.example',
    '--reserve',
    '1GiB',
    '--access-log',
    'off',
  ]
  const printed = await effective(args)
  const again = await effective(['--config', config(printed)])
  const values = (text: string): string => text.replaceAll(/ # .*/g, '')
  assert.equal(values(again), values(printed))
})

test('variables that Kubernetes sets for a Service named trow are not ours', async () => {
  await effective([], {
    TROW_SERVICE_HOST: '10.0.0.1',
    TROW_PORT: 'tcp://10.0.0.1:443',
    TROW_PORT_443_TCP: 'x',
  })
})

const refused: readonly (readonly [
  name: string,
  args: string[],
  env: Record<string, string>,
  message: RegExp,
])[] = [
  ['an unknown key', ['--config', 'FILE:gc-grase: 1h'], {}, /CONFIG_UNKNOWN_KEY[^]*"gc-grace"/],
  ['an unknown variable', [], { TROW_LISTN: 'x' }, /CONFIG_UNKNOWN_KEY[^]*"TROW_LISTEN"/],
  ['an unknown flag', ['--lisen', 'x'], {}, /unknown option '--lisen'[^]*--listen/],
  ['no address', ['--listen', 'nowhere'], {}, /--listen: "nowhere" is no address/],
  ['no size', ['--reserve', 'much'], {}, /--reserve: "much" is no size/],
  ['no duration', ['--gc-grace', '24'], {}, /--gc-grace: "24" is no duration/],
  ['no switch', ['--access-log', 'maybe'], {}, /--access-log: "maybe" is neither on nor off/],
  ['no whole number', ['--workers', 'two'], {}, /--workers: "two" is no whole number/],
  ['a rule without a limit', ['--config', 'FILE:untagged: [{ repositories: a }]'], {}, /needs either/],
  ['a file that is none', ['--config', '/nonexistent/trow.yaml'], {}, /CONFIG_UNREADABLE/],
  ['broken YAML', ['--config', 'FILE:listen: [1'], {}, /CONFIG_INVALID[^]*/],
  ['TLS with half a pair', ['--tls-cert', 'x'], {}, /TLS_INCOMPLETE/],
]

for (const [name, args, env, message] of refused) {
  test(`${name} is refused in words`, async () => {
    const given = args.map((arg) => (arg.startsWith('FILE:') ? config(arg.slice('FILE:'.length)) : arg))
    const print = name.startsWith('TLS') ? [] : ['--print-config']
    const { code, stderr } = await runCommand(['serve', ...print, ...given], { env })
    assert.match(stderr, message)
    assert.equal(code, 2)
  })
}
