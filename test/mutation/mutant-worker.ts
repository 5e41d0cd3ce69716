import { readFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'

/** What is to be run: a source in the place of a file. */
export interface MutantRun {
  readonly number: number
  /** URL. */
  readonly file: string
  readonly source: string
}

// Sources and tests of the policy are loaded anew for each mutant, under a URL of its own; all else once.
const { root, tests } = workerData as { readonly root: string; readonly tests: readonly string[] }
const runner = new URL('first-failure.ts', import.meta.url).href
const fresh = new RegExp(`^${RegExp.escape(root)}(?:src|test)/policy/`)
const stripped = new Map<string, string>()
let current: MutantRun = { number: 0, file: '', source: '' }

registerHooks({
  resolve(specifier, context, next) {
    if (specifier === 'node:test') return { url: runner, shortCircuit: true }
    const resolved = next(specifier, context)
    if (!fresh.test(resolved.url) || resolved.url.includes('?')) return resolved
    return { ...resolved, url: `${resolved.url}?${current.number}` }
  },
  load(url, context, next) {
    const [file = ''] = url.split('?')
    if (!fresh.test(file)) return next(url, context)
    const source = file === current.file ? stripTypeScriptTypes(current.source) : strippedFile(file)
    return { format: 'module', source, shortCircuit: true }
  },
})

parentPort?.on('message', (run: MutantRun) => {
  current = run
  void fails().then((noticed) => parentPort?.postMessage(noticed))
})

async function fails(): Promise<boolean> {
  try {
    for (const each of tests) await import(`${each}?${current.number}`)
    return false
  } catch {
    return true
  }
}

function strippedFile(url: string): string {
  const known = stripped.get(url)
  if (known !== undefined) return known
  const source = stripTypeScriptTypes(readFileSync(fileURLToPath(url), 'utf8'))
  stripped.set(url, source)
  return source
}
