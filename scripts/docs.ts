import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { programOf } from '../src/cli/program.ts'
import { trowVersion } from '../src/cli/version.ts'
import { commandVariables } from '../src/settings/settings-variables.ts'
import { pagesOf } from './pages/command-page.ts'
import { foreignVariables } from './pages/environment.ts'
import { manPage } from './pages/man-page.ts'
import { markdownIndex, markdownPage } from './pages/markdown-page.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The folders that hold nothing but generated pages. */
export const pageFolders = ['docs/cli', 'man'] as const

/** Returns the text of each generated page, by its path from the root of the repository. */
export async function generatedPages(): Promise<ReadonlyMap<string, string>> {
  const pages = pagesOf(await programOf([]))
  const config = await resolveConfig(join(root, 'docs/cli/README.md'))
  const files = new Map<string, string>()
  for (const page of pages) {
    files.set(`man/${page.name}.1`, manPage(page, trowVersion()))
    const markdown =
      page.parent === undefined
        ? markdownIndex(pages, { ...commandVariables, ...foreignVariables })
        : markdownPage(page)
    const name = page.parent === undefined ? 'README' : page.name
    files.set(`docs/cli/${name}.md`, await format(markdown, { ...config, parser: 'markdown' }))
  }
  return files
}

/** Returns package.json with the man pages that npm installs: it takes no folder of them from an archive. */
export async function packageWithMan(pages: ReadonlyMap<string, string>): Promise<string> {
  const path = join(root, 'package.json')
  const man = [...pages.keys()].filter((page) => page.startsWith('man/')).map((page) => `./${page}`)
  const content = JSON.parse(readFileSync(path, 'utf8')) as object
  return format(JSON.stringify({ ...content, man: man.sort() }), {
    ...(await resolveConfig(path)),
    filepath: path,
  })
}

// Writes the pages, and removes those of commands that are gone.
if (import.meta.main) {
  const files = await generatedPages()
  for (const folder of pageFolders) {
    mkdirSync(join(root, folder), { recursive: true })
    for (const name of readdirSync(join(root, folder)))
      if (!files.has(`${folder}/${name}`)) rmSync(join(root, folder, name))
  }
  for (const [path, text] of files) writeFileSync(join(root, path), text)
  writeFileSync(join(root, 'package.json'), await packageWithMan(files))
  process.stdout.write(`${files.size} pages\n`)
}
