import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { objectOutputs, outputOption, type Output } from './result/output.ts'
import { printResult } from './result/print-result.ts'
import type { CommandContext } from './command-context.ts'
import { examples } from './help/examples.ts'

/** Returns the version of the package. */
export function trowVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}

export function versionCommand({ terminal }: CommandContext): Command {
  return new Command('version')
    .description('print the version')
    .addHelpText(...examples('trow version', 'trow version -o json'))
    .addOption(outputOption(...objectOutputs))
    .action(async ({ output }: { output: Output }) => {
      const facts = {
        trow: trowVersion(),
        node: process.versions.node,
        sqlite: process.versions['sqlite'],
        platform: `${process.platform}/${process.arch}`,
      }
      if (output !== 'text') return printResult('Version', facts, output, terminal)
      terminal.stdout.write(
        `trow ${facts.trow} (Node ${facts.node}, SQLite ${facts.sqlite}, ${facts.platform})\n`,
      )
    })
}
