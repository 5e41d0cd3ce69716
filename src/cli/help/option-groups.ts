import type { Command, Option } from 'commander'

/** The headings of flags that many commands have. */
const shared: Readonly<Record<string, readonly string[]>> = {
  'Registry:': ['--registry', '--ca', '--plain-http', '--username', '--password-stdin'],
  'Cluster:': [
    '--kubeconfig',
    '--context',
    '--namespace',
    '--as',
    '--as-group',
    '--request-timeout',
    '--service-account',
    '--share-api-token',
  ],
  'Data of a server on this machine:': ['--data', '--folder', '--config'],
}

/**
 * Puts the flags that many commands have under their headings, unless the command has given them one. The
 * command's own flags come first, then its own headings, then those that many commands have.
 */
export function groupOptions(command: Command): void {
  for (const option of command.options) {
    const group = Object.entries(shared).find(([, flags]) => flags.includes(option.long ?? ''))
    if (option.helpGroupHeading === undefined && group !== undefined) option.helpGroup(group[0])
  }
  // The help lists headings in the order of the options.
  const options = command.options as Option[]
  options.sort((a, b) => placeOf(a) - placeOf(b))
}

function placeOf({ helpGroupHeading }: Option): number {
  if (helpGroupHeading === undefined || helpGroupHeading === 'Options:') return 0
  return Object.keys(shared).indexOf(helpGroupHeading) + 2
}
