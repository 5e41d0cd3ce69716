import { registerHooks } from 'node:module'

// Loaded with --import: one file is read as the environment says instead of from the disk, and tests run where they stand, the
// first that fails ending the process: the runner of Node would tell of it only when all have run.
const { MUTANT_FILE: file, MUTANT_SOURCE: source = '' } = process.env
const runner = new URL('first-failure.ts', import.meta.url).href
registerHooks({
  resolve(specifier, context, next) {
    return specifier === 'node:test' ? { url: runner, shortCircuit: true } : next(specifier, context)
  },
  load(url, context, next) {
    if (url !== file) return next(url, context)
    return { format: 'module-typescript', source, shortCircuit: true }
  },
})
