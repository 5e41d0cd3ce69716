import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, suite, test } from 'node:test'
import { missing } from '../../requirements.ts'
import { runCommand } from '../../support/run-trow.ts'
import { startedServer, type ServerProcess } from '../../support/server-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-completion-'))
const kubeconfig = join(folder, 'kubeconfig')
let server: ServerProcess
let host: string

before(async () => {
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const program = fileURLToPath(new URL('../../../bin/trow.js', import.meta.url))
  writeFileSync(join(bin, 'trow'), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`)
  chmodSync(join(bin, 'trow'), 0o755)
  writeFileSync(
    kubeconfig,
    'apiVersion: v1\nkind: Config\ncontexts:\n- {name: "team@production", context: {cluster: a, user: a}}\n- {name: "$(touch /tmp/x)", context: {cluster: a, user: a}}\n',
  )
  server = await startedServer({ data: join(folder, 'data') })
  host = new URL(server.url).host
  for (const [name, tag] of [
    ['team/app', '1.4.2'],
    ['team/app', '1.4.3'],
    ['team/other', 'latest'],
  ]) {
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [],
    })
    const headers = { 'content-type': 'application/vnd.oci.image.index.v1+json' }
    const { status } = await fetch(`${server.url}/v2/${name}/manifests/${tag}`, {
      method: 'PUT',
      body,
      headers,
    })
    assert.equal(status, 201)
  }
})
after(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const path = [join(folder, 'bin'), process.env['PATH'] ?? ''].join(delimiter)
  return { HOME: folder, PATH: path, TROW_REGISTRY: host, KUBECONFIG: kubeconfig, LC_ALL: 'C.UTF-8', ...more }
}

/** Returns what the shell itself offers at the end of `line`. */
const shells: Readonly<Record<string, (script: string, line: string) => string>> = {
  bash: (script, line) =>
    execFileSync(
      'bash',
      [
        '--norc',
        '-c',
        `source "$1"; COMP_LINE="$2" COMP_POINT=\${#2} COMP_WORDBREAKS=$' \\t\\n"\\'@><=;|&(:'; _trow; printf '%s\n' "\${COMPREPLY[@]}"`,
        'bash',
        script,
        line,
      ],
      { env: environment() },
    ).toString(),
  // zsh lists candidates on a terminal only: this types the line, Tab twice, and reads the screen.
  zsh: (script, line) =>
    execFileSync('zsh', ['-f', '-c', zshOnTerminal, 'zsh', script, line], { env: environment() }).toString(),
  fish: (script, line) =>
    execFileSync('fish', ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', script, line], {
      env: environment(),
    }).toString(),
}

const zshOnTerminal = String.raw`
zmodload zsh/zpty
zpty -b t zsh -f -i
zpty -w t "stty cols 200 rows 100; PROMPT=; autoload -Uz compinit; compinit -D; source $1"
zpty -w t "zstyle ':completion:*' list-prompt ''; LISTMAX=1000; unsetopt auto_menu; setopt always_last_prompt; print READY"
until [[ "$seen" == *READY*READY* ]]; do zpty -r -t t chunk && seen+="$chunk" || sleep 0.05; done
seen=
zpty -w -n t "$2"$'\t\t'
integer idle=0
until (( idle > 9 )); do
  if zpty -r -t t chunk; then seen+="$chunk"; idle=0; else sleep 0.1; idle+=1; fi
done
print -r -- "$seen"
zpty -d t
`

for (const [shell, offered] of Object.entries(shells)) {
  suite(`completion in ${shell}`, { skip: missing(shell) }, () => {
    const script = join(folder, shell)
    before(async () => {
      const { stdout, code } = await runCommand(['completion', shell])
      assert.equal(code, 0)
      writeFileSync(script, stdout)
    })
    const cases: readonly (readonly [line: string, offered: RegExp, not: RegExp])[] = [
      ['trow ', /\bserve\b/, /--listen|\bcomplete\b/],
      ['trow serve --gc-g', /--gc-grace/, /--dry-run/],
      ['trow serve --audit-on-failure ', /refuse/, /--listen/],
      ['trow serve --log-level ', /debug/, /--listen/],
      ['trow ls --plain', /--plain-http/, /--listen/],
      ['trow gc --output ', /json/, /\bserve\b/],
      ['trow gc -o ', /json/, /\bserve\b/],
      ['trow completion ', /fish/, /--listen/],
      ['trow ca ', /\brotate\b/, /\bserve\b/],
      ['trow ca rotate --fin', /--finish/, /--listen/],
      ['trow audit query --output ', /jsonl/, /follow/],
      ['trow status --context team', /production/, /touch/],
      ['trow inspect team/', /other/, /1\.4/],
      ['trow inspect team/app:1', /4\.3/, /latest|other/],
      ['trow policy export ', /\bvap\b/, /\blint\b/],
      ['trow policy deny --reason ', /^/, /kubeconfig|bin\b/],
    ]
    for (const [line, expected, not] of cases) {
      test(line, () => {
        let found = offered(script, line)
        // On a loaded machine 300 ms can be too short for an answer.
        for (let left = 9; left > 0 && !expected.test(found); left--) found = offered(script, line)
        assert.match(found, expected)
        assert.doesNotMatch(found.replaceAll(line, ''), not)
      })
    }
  })
}

suite('trow complete', () => {
  const complete = async (
    kind: string,
    words: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<readonly string[]> => {
    const { stdout, stderr, code } = await runCommand(['complete', kind, '--', ...words], {
      env: environment(env),
    })
    assert.deepEqual([stderr, code], ['', 0])
    return stdout.split('\n').filter((line) => line !== '')
  }

  /** On a loaded machine 300 ms can be too short for an answer. */
  const finds = async (words: readonly string[], expected: readonly string[]): Promise<void> => {
    const env = { TROW_REGISTRY: '127.0.0.1:1' }
    let found = await complete('reference', words, env)
    for (let left = 9; left > 0 && found.length === 0; left--) found = await complete('reference', words, env)
    assert.deepEqual(found, expected)
  }

  test('names that the line gives go before the environment', async () => {
    assert.deepEqual(await complete('reference', ['inspect', ''], { TROW_REGISTRY: '127.0.0.1:1' }), [])
    await finds(['inspect', '--registry', host, 'team/a'], ['team/app'])
    await finds(['inspect', `--registry=${host}`, 'team/o'], ['team/other'])
    await finds(['copy', `${host}/team/app:1.4.2`], [`${host}/team/app:1.4.2`])
    await finds(['copy', `${host}/team/a`], [`${host}/team/app`])
  })

  test('with a kubeconfig and no name, nobody is asked', async () => {
    assert.deepEqual(await complete('reference', ['inspect', ''], { TROW_REGISTRY: '' }), [])
  })

  test('what a shell would give a meaning is not printed', async () => {
    assert.deepEqual(await complete('context', ['status', '--context', '']), ['team@production'])
    assert.deepEqual(await complete('context', ['status', '--kubeconfig', '/nowhere', '--context', '']), [])
  })

  test('a registry that does not answer costs 300 ms, and nothing is said', async () => {
    const deaf = createServer()
    await new Promise<void>((resolve) => void deaf.listen(0, '127.0.0.1', resolve))
    const { port } = deaf.address() as AddressInfo
    const words = ['complete', 'reference', '--', 'inspect', '--registry', `127.0.0.1:${port}`, 'team/']
    const started = Date.now()
    const output = execFileSync(join(folder, 'bin/trow'), words, { env: environment() })
    const took = Date.now() - started
    deaf.close()
    assert.equal(output.toString(), '')
    assert.ok(took < 3000, `${took} ms`)
  })
})
