import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Makes a dist/ with nothing in it of an earlier build, and the versions of all packages that trow was tested with. */
export function buildDist(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const args = [compiler, '-p', 'tsconfig.build.json', '--outDir', folder]
  execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  // What statements are made of is not needed where they run, nor is the query builder.
  rmSync(join(folder, 'metadata', 'rules', 'queries'), { recursive: true })
  writeFileSync(join(folder, 'package-lock.json'), runtimeLock())
}

function runtimeLock(): string {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devDependencies?: unknown }>
  }
  delete lock.packages['']?.devDependencies
  const kept = Object.entries(lock.packages).filter(([, { dev }]) => dev !== true)
  return `${JSON.stringify({ ...lock, packages: Object.fromEntries(kept) }, undefined, 1)}\n`
}
