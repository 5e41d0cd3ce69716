import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { suite, test } from 'node:test'

const root = new URL('../..', import.meta.url).pathname
const { files: packaged } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { files: string[] }
const pages = [...globSync('*.md', { cwd: root }), ...globSync('docs/**/*.md', { cwd: root })]

/** The page without its code, where nothing is a link. */
function prose(page: string): string {
  return readFileSync(`${root}${page}`, 'utf8')
    .replaceAll(/^ *(```+)[^\n]*\n[\s\S]*?^ *\1 *$/gm, '')
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ' '))
}

/** As GitHub and npm make them of headings. */
function anchorsOf(page: string): ReadonlySet<string> {
  const seen = new Map<string, number>()
  const anchors = new Set<string>()
  for (const [, heading = ''] of prose(page).matchAll(/^#+ (.*)$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    const slug = text
      .toLowerCase()
      .replaceAll(/[^\p{Letter}\p{Number} _-]/gu, '')
      .trim()
      .replaceAll(' ', '-')
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    anchors.add(count === 0 ? slug : `${slug}-${count}`)
  }
  return anchors
}

function linksOf(page: string): string[] {
  return [...prose(page).matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
}

function inPackage(path: string): boolean {
  return packaged.some((entry) => path === entry || path.startsWith(`${entry}/`))
}

suite('links of the documents', () => {
  test('there are documents, and links in them', () => {
    assert.ok(pages.length > 20, `${pages.length} pages`)
    assert.ok(pages.flatMap(linksOf).length > 150, `${pages.flatMap(linksOf).length} links`)
  })

  for (const page of pages) {
    test(`${page}: each leads to a file of the package, and to a heading in it`, () => {
      const wrong = linksOf(page).flatMap((link) => {
        const [file = '', anchor] = link.split('#')
        const path = file === '' ? page : normalize(join(dirname(page), decodeURIComponent(file)))
        if (!existsSync(`${root}${path}`) || statSync(`${root}${path}`).isDirectory())
          return [`${link}: there is no file ${path}`]
        if (!inPackage(path)) return [`${link}: ${path} is not in the package`]
        if (anchor === undefined || !path.endsWith('.md') || anchorsOf(path).has(anchor)) return []
        return [`${link}: ${path} has no such heading`]
      })
      assert.deepEqual(wrong, [])
    })
  }

  test('codes of errors that pages speak of exist', () => {
    // Problems of nodes are no errors of a command.
    const lists = ['docs/errors.md', 'docs/nodes.md'].map((page) => readFileSync(`${root}${page}`, 'utf8'))
    const listed = new Set([...lists.join('').matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code))
    for (const page of ['docs/troubleshooting.md', ...globSync('docs/runbooks/*.md', { cwd: root })]) {
      const text = readFileSync(`${root}${page}`, 'utf8')
      for (const [, code = ''] of text.matchAll(/[`(]([A-Z]+(?:_[A-Z]+)+)[`)]/g))
        if (!code.startsWith('SSL_') && !code.startsWith('CAP_') && !code.startsWith('TROW_'))
          assert.ok(listed.has(code), `${page}: ${code}`)
    }
  })
})
