import { setTimeout as sleep } from 'node:timers/promises'
import { Argument, Command } from 'commander'
import { kubeContextNames } from '../../cluster/kubeconfig.ts'
import type { CommandContext } from '../command-context.ts'
import type { Terminal } from '../streams.ts'
import { findReferences } from './find-references.ts'
import { flagsOf } from './flags-of.ts'

/** Milliseconds. A person who presses Tab does not wait longer. */
const patience = 300

/** More candidates are of no use. */
const most = 500

/** A shell would give other characters a meaning. */
const safe = /^[\w@%+=:,./-]+$/

/** For the scripts of `trow completion`: no person runs it. Prints candidates, one a line, and never an error. */
export function completeCommand({ terminal }: CommandContext): Command {
  return new Command('complete')
    .description('print what can stand at the end of a command line, for the scripts of trow completion')
    .addArgument(new Argument('<kind>').choices(['context', 'reference']))
    .argument('[words...]', 'words of the command line, after trow; the last one is completed')
    .action(async (kind: 'context' | 'reference', words: readonly string[]) => {
      const found: string[] = []
      const work =
        kind === 'context' ? addContexts(found, words, terminal) : findReferences(found, words, terminal)
      const late = new AbortController()
      await Promise.race([
        // Whatever is wrong, the person who presses Tab did not ask for it.
        work.catch(() => undefined),
        sleep(patience, undefined, { signal: late.signal }).catch(() => undefined),
      ])
      late.abort()
      const current = words.at(-1) ?? ''
      const shown = [...new Set(found)].filter((each) => each.startsWith(current) && safe.test(each)).sort()
      const text = shown
        .slice(0, most)
        .map((each) => `${each}\n`)
        .join('')
      // A request that has no answer yet would keep the process.
      terminal.exact.stdout.write(text, () => terminal.exit?.(0))
    })
}

async function addContexts(found: string[], words: readonly string[], { env, cwd }: Terminal): Promise<void> {
  const { kubeconfig } = flagsOf(words)
  found.push(...kubeContextNames({ env, cwd, kubeconfig }))
}
