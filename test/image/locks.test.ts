import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { isNeeded } from '../../src/image/node-layers.ts'
import { runtimePackages } from '../../src/image/package-lock.ts'
import { parsePlatforms, platforms } from '../../src/image/platform.ts'
import { parseSourceLock } from '../../src/image/source-lock.ts'
import { debianPackages } from '../../src/image/system-layer.ts'
import { UserError } from '../../src/user-error.ts'

const root = new URL('../..', import.meta.url).pathname
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8')

const isCode =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof UserError && error.code === code

suite('the lock of what an image is made of', () => {
  test('has all packages for each platform, and the Node that the tests run on', () => {
    const lock = parseSourceLock(read('image/sources.lock.json'))
    for (const { architecture } of platforms) {
      const files = lock.debian.files[architecture]
      assert.deepEqual(
        files.map((each) => each.package),
        debianPackages,
      )
      for (const { path } of files) assert.match(path, new RegExp(`_(${architecture}|all)\\.deb$`))
    }
    assert.equal(lock.node.version, process.versions.node)
  })

  test('that is none is refused with the command that makes it', () => {
    const short = read('image/sources.lock.json').replace(/"sha256": "../, '"sha256": "')
    for (const [text, words] of [
      ['', 'it is no JSON'],
      ['{}', 'debian is missing'],
      ['[]', 'it is not an object'],
      [short, 'debian.files.amd64[0].sha256 has another form'],
    ] as const)
      assert.throws(() => parseSourceLock(text), {
        code: 'IMAGE_LOCK_INVALID',
        message: `sources.lock.json cannot be used: ${words}`,
      })
  })
})

suite('the packages that trow needs to run', () => {
  const names = (cpu: 'x64' | 'arm64'): string[] =>
    runtimePackages(read('package-lock.json'), { cpu }).map(({ path }) => path)

  test("are each platform's own, and none for development", () => {
    for (const [cpu, other] of [
      ['x64', 'arm64'],
      ['arm64', 'x64'],
    ] as const) {
      const found = names(cpu)
      assert.ok(found.includes(`node_modules/@node-rs/bcrypt-linux-${cpu}-gnu`))
      assert.ok(!found.some((path) => path.includes(`-${other}`)), cpu)
      const bcrypt = found.filter((path) => path.startsWith('node_modules/@node-rs/bcrypt-'))
      assert.deepEqual(bcrypt, [`node_modules/@node-rs/bcrypt-linux-${cpu}-gnu`])
      assert.ok(
        !found.some((path) => /^node_modules\/(typescript|prettier|fast-check|node)$/.test(path)),
        cpu,
      )
    }
  })

  test('are all that package.json names, found as Node finds them', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
    const found = new Set(names('x64'))
    for (const name of Object.keys(dependencies)) assert.ok(found.has(`node_modules/${name}`), name)

    const entry = (version: string, dependencies = {}): object => ({
      version,
      integrity: 'sha512-x',
      dependencies,
    })
    const lock = JSON.stringify({
      lockfileVersion: 3,
      packages: {
        '': { dependencies: { a: '1', '@s/b': '1' } },
        'node_modules/a': entry('1', { c: '2' }),
        'node_modules/a/node_modules/c': entry('2', { d: '1' }),
        'node_modules/c': entry('1'),
        'node_modules/d': entry('1', { a: '1' }),
        'node_modules/@s/b': { ...entry('1', { c: '1' }), name: '@other/b' },
        'node_modules/unused': entry('1'),
      },
    })
    assert.deepEqual(
      runtimePackages(lock, { cpu: 'x64' }).map(({ path, name, version }) => `${path} ${name}@${version}`),
      [
        'node_modules/@s/b @other/b@1',
        'node_modules/a a@1',
        'node_modules/a/node_modules/c c@2',
        'node_modules/c c@1',
        'node_modules/d d@1',
      ],
    )
    assert.throws(
      () => runtimePackages(lock.replace('"node_modules/d"', '"node_modules/e"'), { cpu: 'x64' }),
      /the lock has no d, which node_modules\/a\/node_modules\/c needs/,
    )
  })

  test('come without what only people and other runtimes read', () => {
    for (const path of [
      'index.d.ts',
      'a.d.mts',
      'a.js.map',
      'README.md',
      'test/a.js',
      'docs/a.js',
      'x/a.bare',
      '.npmignore',
    ])
      assert.ok(!isNeeded(path), path)
    for (const path of [
      'index.js',
      'LICENSE',
      'LICENSE.md',
      'dist/doc/directives.js',
      'lib/test.js',
      'a.node',
      'a.wasm',
      'package.json',
      'proto/a.proto',
    ])
      assert.ok(isNeeded(path), path)
  })
})

test('platforms are those that are asked for, in one order', () => {
  const names = (text: string): string[] => parsePlatforms(text).map(({ name }) => name)
  assert.deepEqual(names('all'), ['linux/amd64', 'linux/arm64'])
  assert.deepEqual(names('linux/arm64, linux/amd64'), ['linux/amd64', 'linux/arm64'])
  assert.deepEqual(names('linux/arm64'), ['linux/arm64'])
  for (const text of ['', 'amd64', 'linux/amd64,windows/amd64'])
    assert.throws(() => parsePlatforms(text), isCode('PLATFORM_UNKNOWN'))
})
