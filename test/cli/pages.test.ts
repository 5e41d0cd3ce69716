import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite, test } from 'node:test'
import { programOf } from '../../src/cli/program.ts'
import { exitCode, exitMeanings } from '../../src/user-error.ts'
import { generatedPages, packageWithMan, pageFolders } from '../../scripts/docs.ts'
import { manPage } from '../../scripts/pages/man-page.ts'
import { markdownPage } from '../../scripts/pages/markdown-page.ts'
import { pagesOf } from '../../scripts/pages/command-page.ts'
import { missing } from '../requirements.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

suite('pages of commands', () => {
  test('are as the commands are: npm run docs', async () => {
    const pages = await generatedPages()
    const there = pageFolders.flatMap((folder) => globSync(`${folder}/*`, { cwd: root }))
    assert.deepEqual(there.sort(), [...pages.keys()].sort())
    for (const [path, text] of pages) assert.equal(read(path), text, path)
  })

  test('each command, option and argument stands in both, with its default and its variable', async () => {
    for (const page of pagesOf(await programOf([]))) {
      const [markdown, man] = [markdownPage(page), manPage(page, '0')]
      const items = [...page.arguments, ...page.options.flatMap((each) => each.items)]
      for (const { term, fallback, variable } of items) {
        assert.ok(markdown.includes(`\`${term.replaceAll('|', '\\|')}\``), `${page.path}: ${term}`)
        for (const fact of [fallback?.split(/[^\w.]/)[0] ?? '', variable ?? '']) {
          assert.ok(markdown.includes(fact), `${page.path} ${term}: ${fact}`)
          assert.ok(man.replaceAll('\\-', '-').includes(fact), `${page.path} ${term}: ${fact}`)
        }
      }
    }
  })

  test('links lead somewhere, and every page is linked', () => {
    const linked = new Set<string>()
    for (const path of globSync('docs/cli/*.md', { cwd: root })) {
      for (const [, target = ''] of read(path).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
        const found = join(dirname(path), target)
        assert.ok(existsSync(join(root, found)), `${path}: ${target}`)
        linked.add(found)
      }
    }
    for (const path of globSync('docs/cli/*.md', { cwd: root })) assert.ok(linked.has(path), path)
    assert.match(read('docs/user-guide.md'), /\(cli\/README\.md\)/)
  })

  test('man pages are in the package: npm run docs', async () => {
    assert.equal(read('package.json'), await packageWithMan(await generatedPages()))
    const { files } = JSON.parse(read('package.json')) as { readonly files: readonly string[] }
    for (const folder of ['man', 'docs']) assert.ok(files.includes(folder), folder)
  })

  test('groff finds nothing wrong in a man page', { skip: missing('groff') }, () => {
    const files = globSync('man/*.1', { cwd: root })
    const output = execFileSync('sh', ['-c', 'groff -man -Tutf8 -ww "$@" 2>&1 >/dev/null', 'sh', ...files], {
      cwd: root,
    })
    assert.equal(output.toString(), '')
  })
})

test('every exit code has a meaning, in the index of the pages and in the guide', () => {
  const codes = [0, ...Object.values(exitCode)].map(String)
  assert.deepEqual(Object.keys(exitMeanings), codes)
  const [, guide = ''] = /## Exit codes\n\n(.*)/.exec(read('docs/user-guide.md')) ?? []
  assert.deepEqual(guide.match(/\d+/g), codes)
})
