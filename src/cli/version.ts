import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { CommandContext } from './command-context.ts'

/** The package's version. */
export function trowVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}

export function versionCommand({ terminal }: CommandContext): Command {
  return new Command('version')
    .description('print the version')
    .option('-o, --output <format>', 'text or json', 'text')
    .action(({ output }: { output: string }) => {
      const facts = {
        trow: trowVersion(),
        node: process.versions.node,
        sqlite: process.versions['sqlite'],
        platform: `${process.platform}/${process.arch}`,
      }
      const text =
        output === 'json'
          ? JSON.stringify(facts)
          : `trow ${facts.trow} (Node ${facts.node}, SQLite ${facts.sqlite}, ${facts.platform})`
      terminal.stdout.write(`${text}\n`)
    })
}
