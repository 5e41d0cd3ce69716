import type { Command, Option } from 'commander'
import { splitImageName } from '../way/named-target.ts'
import { UserError } from '../../user-error.ts'

/** The flags that say where a command works: a registry, a cluster, a folder. */
const placeFlags: readonly string[] = [
  '--registry',
  '--ca',
  '--plain-http',
  '--username',
  '--kubeconfig',
  '--context',
  '--namespace',
  '--as',
  '--data',
  '--folder',
  '--config',
  '--htpasswd',
  '--host',
]

/** Returns the command of that name with all below it; `undefined` if there is none. */
export type FindCommand = (name: string) => Promise<Command | undefined>

/**
 * Gives the commands that an error's hint names the flags of place that the user gave to the command that
 * failed, so that they can be typed as they stand. Of these flags a command gets those that it knows.
 */
export async function withPlace(
  error: unknown,
  acting: Command | undefined,
  find: FindCommand,
): Promise<unknown> {
  if (!(error instanceof UserError) || error.hint === undefined || acting === undefined) return error
  const hint = await placedHint(error.hint, acting, find)
  if (hint === error.hint) return error
  return new UserError(error.code, error.message, { hint, cause: error, exitCode: error.exitCode })
}

async function placedHint(hint: string, acting: Command, find: FindCommand): Promise<string> {
  const given = givenFlags(acting)
  if (given.length === 0) return hint
  let placed = ''
  let from = 0
  for (const match of hint.matchAll(/(?<![\w/-])trow ([a-z-]+)(?: ([a-z-]+))?/g)) {
    const [, first = '', second] = match
    const top = await find(first)
    if (top === undefined) continue
    const below = top.commands.find((child) => child.name() === second)
    const end = match.index + (below === undefined ? `trow ${first}` : match[0]).length
    const [rest = ''] = hint.slice(end).split(/\btrow [a-z]/)
    // Help is the same in every place.
    if (rest.startsWith(' --help')) continue
    const flags = given.filter(({ flag, value }) => {
      const isKnown = (below ?? top).options.some(({ long }) => long === flag)
      // The hint may name the registry as the host of an image or of a login.
      const isNamed = flag === '--registry' && rest.includes((value ?? '').replace(/^https?:\/\//, ''))
      return isKnown && !rest.includes(flag) && !isNamed
    })
    placed += hint.slice(from, end) + flags.map(({ text }) => ` ${text}`).join('')
    from = end
  }
  return placed + hint.slice(from)
}

interface GivenFlag {
  readonly flag: string
  readonly value: string | undefined
  /** As it is typed. */
  readonly text: string
}

/** A registry that an image's name names counts as --registry. */
function givenFlags(acting: Command): readonly GivenFlag[] {
  const given = acting.options.flatMap((option) => givenFlag(acting, option) ?? [])
  const [name] = acting.args
  const [argument] = acting.registeredArguments
  const hasRegistry = acting.options.some(({ long }) => long === '--registry')
  if (name === undefined || !hasRegistry || given.some(({ flag }) => flag === '--registry')) return given
  if (!/\bREPOSITORY\b/.test(argument?.description ?? '')) return given
  const { host } = splitImageName(name)
  return host === undefined
    ? given
    : [{ flag: '--registry', value: host, text: `--registry ${quoted(host)}` }, ...given]
}

function givenFlag(acting: Command, option: Option): GivenFlag | undefined {
  const flag = option.long ?? ''
  const name = option.attributeName()
  if (!placeFlags.includes(flag) || acting.getOptionValueSource(name) !== 'cli') return undefined
  const value: unknown = acting.getOptionValue(name)
  if (value === true) return { flag, value: undefined, text: flag }
  return typeof value === 'string' ? { flag, value, text: `${flag} ${quoted(value)}` } : undefined
}

/** Quotes a word for a shell where it needs that. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
