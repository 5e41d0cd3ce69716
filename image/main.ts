import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { UserError } from '../src/user-error.ts'
import { refreshLock } from './refresh-lock.ts'

// `npm run image`: builds trow and does what `trow image …` is told, saves its image unless told otherwise.

const { refresh, rest } = options(process.argv.slice(2))
try {
  if (refresh !== undefined) await refreshLock(refresh.mirror)
  else runImage(rest)
} catch (error) {
  if (!(error instanceof UserError)) throw error
  process.stderr.write(`${error.message} (${error.code})\n  ${error.hint ?? ''}\n`)
  process.exitCode = error.exitCode
}

function runImage(args: readonly string[]): void {
  const root = fileURLToPath(new URL('..', import.meta.url))
  execFileSync(process.execPath, ['image/build.ts'], { cwd: root, stdio: 'inherit' })
  const command = args.length === 0 ? ['save', 'trow-image.tar'] : args
  try {
    execFileSync(process.execPath, ['bin/trow.js', 'image', ...command], { cwd: root, stdio: 'inherit' })
  } catch (error) {
    process.exitCode = (error as { status: number | null }).status ?? 1
  }
}

function options(args: string[]): { refresh: { mirror: string | undefined } | undefined; rest: string[] } {
  if (!args.includes('--refresh-lock')) return { refresh: undefined, rest: args }
  const { values } = parseArgs({
    args,
    options: { 'refresh-lock': { type: 'boolean' }, mirror: { type: 'string' } },
  })
  return { refresh: { mirror: values.mirror }, rest: [] }
}
