import assert from 'node:assert/strict'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { parse } from 'yaml'
import { runCommand } from '../support/run-trow.ts'

const root = new URL('../..', import.meta.url).pathname
const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root })]

/** Blocks that are a `trow.yaml`, as their first key tells. */
function settingsIn(page: string): string[] {
  const text = readFileSync(`${root}${page}`, 'utf8')
  return [...text.matchAll(/^ *```yaml[^\n]*\n([\s\S]*?)^ *```$/gm)]
    .map(([, block = '']) => block)
    .filter((block) =>
      /^ *(#.*\n)? *(listen|auth|oidc|access|untagged|htpasswd|tls-auto):/m.test(block.slice(0, 200)),
    )
    .filter((block) => !/^ *(kind|cases|policies):/m.test(block))
}

suite('examples of trow.yaml', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-examples-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  const examples = pages.flatMap((page) => settingsIn(page).map((text, index) => ({ page, index, text })))
  assert.ok(examples.length >= 8, `${examples.length} examples`)

  for (const { page, index, text } of examples) {
    test(`${page}, number ${index + 1}, loads`, async () => {
      const file = join(folder, 'trow.yaml')
      writeFileSync(file, text)
      assert.equal(typeof parse(text), 'object')
      const { code, stderr } = await runCommand(['serve', '--print-config', '--config', file])
      assert.equal(code, 0, `${text}\n${stderr}`)
    })
  }
})
