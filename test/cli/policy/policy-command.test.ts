import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { checkLines, checkResult } from '../../support/check-result.ts'
import { runCommand } from '../../support/run-trow.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-policy-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const good = `apiVersion: policy.trow.io/v1alpha1
kind: TrowPolicy
metadata: { name: production }
spec:
  mode: enforce
  default: deny
  rules:
    - { scope: "@trow", unverified: true }
    - { scope: docker.io/library, unverified: true }
    - { scope: "@trow/prod", require: { present: true } }
`
const exception = `apiVersion: policy.trow.io/v1alpha1
kind: TrowException
metadata: { name: jira-1 }
spec:
  policies: [production]
  images: [{ scope: quay.io/legacy }]
  namespaces: ["*"]
  reason: hotfix
  expires: ${new Date(Date.now() + 86_400_000).toISOString()}
`
const lint = (...args: string[]) => runCommand(['policy', 'lint', ...args])
const evaluate = (...args: string[]) => runCommand(['policy', 'eval', ...args])

suite('trow policy lint', () => {
  test('finds nothing in what is fine, in files and folders', async () => {
    const inside = join(folder, 'fine')
    mkdirSync(inside)
    writeFileSync(join(inside, 'a.yaml'), `${good}---\n${exception}---\n`)
    writeFileSync(join(inside, 'b.txt'), 'nothing: of ours')
    writeFileSync(
      join(inside, 'c.json'),
      JSON.stringify({
        apiVersion: 'policy.trow.io/v1alpha1',
        kind: 'TrowPolicy',
        metadata: { name: 'j' },
        spec: { mode: 'off', default: 'deny' },
      }),
    )
    const { code, stdout, stderr } = await lint(inside)
    assert.deepEqual([code, stdout, stderr], [0, '', '2 policies, 1 exception, nothing found\n'])
  })

  test('names file, line, column and field of each problem, in every document', async () => {
    const path = file(
      'bad.yaml',
      `${good}---
kind: TrowPolicy
apiVersion: policy.trow.io/v1alpha1
metadata: { name: other }
spec:
  mode: enforce
  default: deny
  rules:
    - scope: "@trow"
      unverified: true
    - scope: GHCR.io/acme
      unverified: true
---
{}
`,
    )
    const { code, stdout } = await lint(path)
    assert.equal(code, 79)
    assert.deepEqual(stdout.split('\n'), [
      `${path}:21:14: error: spec.rules[1].scope: SCOPE_CASE: write ghcr.io/acme`,
      `${path}:24:1: error: kind: must be TrowPolicy or TrowException`,
      '',
    ])
    const { stdout: json } = await lint(path, '-o', 'json')
    const lines = checkLines('PolicyFinding', (await lint(path, '-o', 'jsonl')).stdout)
    assert.equal(lines.length, checkResult('PolicyFindingList', json).items.length)
    assert.deepEqual(checkResult('PolicyFindingList', json).items[0], {
      level: 'error',
      file: path,
      line: 21,
      column: 14,
      message: 'spec.rules[1].scope: SCOPE_CASE: write ghcr.io/acme',
    })
  })

  test('a missing field has the place of what it is missing in, an unknown one its own', async () => {
    const path = file('missing.yaml', good.replace('  default: deny\n', '  defualt: deny\n'))
    const { stdout } = await lint(path)
    assert.deepEqual(
      stdout.split('\n').map((line) => line.slice(path.length).split(': ').slice(0, 3).join(': ')),
      [':5:3: error: spec.default', ':6:12: error: spec.defualt', ''],
    )
  })

  test('warns of what is likely not meant, at its place', async () => {
    const path = file('odd.yaml', good.replace('docker.io/library', 'docker.io/nginx'))
    const { code, stdout } = await lint(path)
    assert.equal(code, 79)
    assert.equal(
      stdout,
      `${path}:9:16: warning: spec.rules[1].scope: means an organisation named nginx: the image is docker.io/library/nginx\n`,
    )
  })

  test('knows the registry by --own-host, whatever stands behind it', async () => {
    const path = file('own.yaml', good.replace('docker.io/library', 'trow.example:5000/x'))
    assert.equal((await lint(path)).code, 0)
    const { stdout } = await lint('--own-host', 'TROW.example:5000', '--own-host', 'b.example', path)
    assert.match(stdout, /SCOPE_ALIAS: trow\.example:5000 is this registry: write @trow\/x\n$/)
    const wrong = await lint('--own-host', 'no_host', path)
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /OPTION_INVALID/)
  })

  test('bombs of aliases, endless lists, broken YAML and doubled keys are problems like others', async () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
      .split('')
      .map((name, place) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[place]}`).join(',')}]\n`)
      .join('')}`
    for (const [name, text, problem] of [
      ['bomb', bomb, /:2:8: error: Excessive alias count/],
      ['deep', '['.repeat(200_000), /:\d+:\d+: error: /],
      ['broken', 'a: [1\nb: 2', /:\d+:\d+: error: /],
      ['double', `${good}  mode: off\n`, /:\d+:\d+: error: Map keys must be unique/],
      ['binary', '\0\u0001', /:\d+:\d+: error: /],
    ] as const) {
      const { code, stdout } = await lint(file(`${name}.yaml`, text))
      assert.equal(code, 79, name)
      assert.match(stdout, problem)
    }
    assert.equal((await lint(file('empty.yaml', '# nothing\n---\n'))).code, 0)
  })

  test('what cannot be read is said', async () => {
    for (const path of [join(folder, 'none.yaml'), file('large.yaml', ' '.repeat(8 * 1024 * 1024 + 1))]) {
      const { code, stderr } = await lint(path)
      assert.equal(code, 2)
      assert.match(stderr, /cannot be read: .*\(POLICY_UNREADABLE\)/)
    }
    assert.equal((await runCommand(['policy', 'lint'])).code, 2)
  })
})

suite('trow policy eval', () => {
  const path = file('eval.yaml', `${good}---\n${exception}`)

  test('says that it is allowed, or what a pod would be told', async () => {
    assert.deepEqual(await evaluate(path, '--image', 'nginx'), { code: 0, stdout: 'allowed\n', stderr: '' })
    const { code, stdout } = await evaluate('--image', 'nginx', '--image', 'quay.io/x', path)
    assert.equal(code, 79)
    assert.match(
      stdout,
      /^1 of 2 images is refused by policy production\n {2}quay\.io\/x \(quay\.io\/x:latest\) {2}NOT_ALLOWED/,
    )
  })

  test('names the exception, and until when it holds', async () => {
    const { code, stdout } = await evaluate(path, '--image', 'quay.io/legacy/app')
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^allowed\nlifted by jira-1: policy production, quay\.io\/legacy\/app: NOT_ALLOWED .*\nuntil 20[-0-9T:.]+Z\n$/,
    )
  })

  test('says what would have to be looked at', async () => {
    const { code, stdout } = await evaluate(path, '--own-host', 't.example', '--image', 't.example/prod/x')
    assert.deepEqual(
      [code, stdout],
      [79, 'undecided: the policies have to see the content of t.example/prod/x\n'],
    )
    const { stdout: json } = await evaluate(
      path,
      '--own-host',
      't.example',
      '--image',
      't.example/prod/x',
      '-o',
      'json',
    )
    const { answer, images } = checkResult('PolicyEvaluation', json)
    assert.deepEqual([answer, images], ['needs', [{ image: 't.example/prod/x' }]])
  })

  test('point and namespace count', async () => {
    const limited = file(
      'limited.yaml',
      good.replace('  default: deny\n', '  default: deny\n  namespaces: { include: [prod] }\n'),
    )
    const code = async (...args: string[]): Promise<number> =>
      (await evaluate(limited, '--image', 'quay.io/x', ...args)).code
    assert.equal(await code('--namespace', 'prod'), 79)
    assert.equal(await code('--namespace', 'test'), 0)
    assert.equal(await code('--namespace', 'prod', '--point', 'pull'), 0)
    assert.equal(await code('--point', 'nowhere'), 2)
  })

  test('what only warns or is recorded is told beside', async () => {
    const warning = file(
      'warn.yaml',
      `${good.replace('enforce', 'warn')}---\n${good.replace('enforce', 'audit').replace('production', 'recorded')}`,
    )
    const { code, stdout } = await evaluate(warning, '--image', 'quay.io/x')
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^allowed\nwarning: policy production would refuse .*\nrecorded: policy recorded, quay\.io\/x: NOT_ALLOWED .*\n$/,
    )
  })

  test('policies of which a part does not load are not asked', async () => {
    const { code, stdout, stderr } = await evaluate(
      path,
      file('broken.yaml', 'kind: TrowPolicy\n'),
      '--image',
      'nginx',
    )
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /broken\.yaml:1:1: error: apiVersion: is required.*POLICY_INVALID/s)
  })

  test('as JSON, byte for byte', async () => {
    const { stdout } = await evaluate(path, '--image', 'quay.io/legacy/app', '-o', 'json')
    const answer = checkResult('PolicyEvaluation', stdout)
    assert.equal(answer.answer, 'allow')
    assert.ok(Date.parse(answer.until ?? '') > Date.now())
    assert.deepEqual(
      answer.images.map((each) => [each.image, each.canonical, each.excepted?.[0]?.exception]),
      [['quay.io/legacy/app', 'quay.io/legacy/app:latest', 'jira-1']],
    )
  })
})

suite('trow policy test', () => {
  file('tested.yaml', `${good}---\n${exception.replace(/expires: .*/, 'expires: 2026-12-01T00:00:00Z')}`)
  const cases = `policies: [./tested.yaml]
ownHosts: [t.example]
now: 2026-11-23T00:00:00Z
facts:
  "@trow/prod/app:1": { digests: ["sha256:${'a'.repeat(64)}"] }
  "@trow/prod/app:2": absent
  "@trow/prod/app:3": FACT_TIMEOUT
cases:
  - { name: official, image: nginx, expect: allow }
  - { name: no prefix trick, image: docker.io/library-evil/nginx, expect: deny, reason: NOT_ALLOWED }
  - { name: any refusal, image: NGINX, expect: deny }
  - { name: there, image: "t.example/prod/app:1", expect: allow }
  - { name: not there, image: "t.example/prod/app:2", expect: deny, reason: NOT_PRESENT }
  - { name: slow, image: "t.example/prod/app:3", expect: deny, reason: FACT_TIMEOUT }
  - { name: not recorded, image: "t.example/prod/app:4", expect: needs }
  - { name: excepted, image: quay.io/legacy, namespace: x, point: scan, expect: allow }
`
  const run = (text: string, ...args: string[]) =>
    runCommand(['policy', 'test', file('cases.yaml', text), ...args])

  test('asks each case, with what was recorded', async () => {
    assert.deepEqual(await run(cases), { code: 0, stdout: '', stderr: '8 passed, 0 failed\n' })
  })

  test('the clock is that of the file', async () => {
    const { code, stdout, stderr } = await run(cases.replace('now: 2026-11-23', 'now: 2026-12-01'))
    assert.equal(code, 79)
    assert.match(stdout, /^\S+cases\.yaml: excepted: expected allow, got deny\n$/)
    assert.equal(stderr, '7 passed, 1 failed\n')
    const json = await run(cases.replace('now: 2026-11-23', 'now: 2026-12-01'), '-o', 'json')
    const { failed, failures } = checkResult('PolicyTest', json.stdout)
    assert.deepEqual([json.code, failed, failures[0]?.name], [79, 1, 'excepted'])
  })

  test('another answer and another reason fail', async () => {
    const { code, stdout } = await run(
      cases
        .replace('image: nginx, expect: allow', 'image: nginx, expect: needs')
        .replace('reason: NOT_PRESENT', 'reason: SIZE'),
    )
    assert.equal(code, 79)
    assert.match(
      stdout,
      /official: expected needs, got allow\n.*not there: expected deny SIZE, got deny NOT_PRESENT\n$/s,
    )
  })

  test('a broken file of cases is refused at its place', async () => {
    for (const [text, problem] of [
      [
        cases.replace('reason: SIZE', 'x').replace('FACT_TIMEOUT\ncases', 'soon\ncases'),
        /cases\.yaml:7:23: facts\["@trow\/prod\/app:3"\]: must be "absent"/,
      ],
      [
        cases.replace('reason: NOT_PRESENT', 'reason: NO'),
        /cases\.yaml:13:\d+: cases\[4\]\.reason: must be a reason code/,
      ],
      [
        cases.replace('expect: allow }', 'expect: allow, reason: SIZE }'),
        /cases\[0\]: only a denial has a reason/,
      ],
      [cases.replace('ownHosts', 'hosts'), /hosts: is no field here/],
      ['', /it must hold one document/],
      ['a: [', /cases\.yaml:\d+:\d+: /],
      [cases.replace('tested.yaml', 'broken.yaml'), /the policies do not load/],
    ] as const) {
      const { code, stderr } = await run(text)
      assert.equal(code, 1, text)
      assert.match(stderr, /POLICY_INVALID/)
      assert.match(stderr, problem)
    }
    assert.match(
      (await runCommand(['policy', 'test', join(folder, 'nowhere.yaml')])).stderr,
      /POLICY_UNREADABLE/,
    )
    assert.match((await run(cases.replace('t.example]', 'no_host]'))).stderr, /OPTION_INVALID/)
  })
})
