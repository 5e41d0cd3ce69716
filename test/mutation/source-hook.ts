import { registerHooks } from 'node:module'

// Loaded with --import: one file is read as the environment says instead of from the disk.
const { MUTANT_FILE: file, MUTANT_SOURCE: source = '' } = process.env
registerHooks({
  load(url, context, next) {
    if (url !== file) return next(url, context)
    return { format: 'module-typescript', source, shortCircuit: true }
  },
})
