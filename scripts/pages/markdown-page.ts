import type { HelpNote } from '../../src/cli/help/help-notes.ts'
import { exitMeanings } from '../../src/user-error.ts'
import { pageName, type CommandPage, type PageItem } from './command-page.ts'

/** Returns the page of a command; files of pages stand in one folder, and link to each other. */
export function markdownPage(page: CommandPage): string {
  const { path, description, usage, children, parent, notes } = page
  return [
    `# ${path}`,
    sentence(escaped(description)),
    fenced([usage]),
    ...(children.length === 0 ? [] : ['## Commands', commandTable(children)]),
    ...(page.arguments.length === 0 ? [] : ['## Arguments', itemTable('argument', page.arguments)]),
    ...page.options.flatMap(({ heading, items }) => [`## ${heading}`, itemTable('option', items)]),
    ...notes.map(noteText),
    '## See also',
    [
      ...(parent === undefined ? [] : [`- [${parent}](${linkTo(parent)})`]),
      '- [All commands](README.md), their variables and exit codes',
    ].join('\n'),
  ].join('\n\n')
}

/** Returns the page that lists all commands. */
export function markdownIndex(
  pages: readonly CommandPage[],
  variables: Readonly<Record<string, string>>,
): string {
  const commands = pages.filter(({ parent }) => parent === 'trow')
  const groups = [...new Set(commands.map(({ group }) => group))]
  return [
    '# Commands',
    'These pages are made of the same source as `trow help`, by `npm run docs`. `trow COMMAND --help` prints the same, and so does `man trow-COMMAND` where trow was installed by npm.',
    ...groups.flatMap((group) => [
      `## ${group}`,
      commandTable(
        commands
          .filter((page) => page.group === group)
          .flatMap((page) => [page, ...pages.filter(({ parent }) => parent === page.path)]),
      ),
    ]),
    '## Variables',
    'Each setting of `trow serve` has a variable too; [trow serve](trow-serve.md) names them.',
    table(
      ['variable', 'what it is'],
      Object.entries(variables).map(([name, text]) => [`\`${name}\``, escaped(text)]),
    ),
    '## Exit codes',
    table(
      ['code', 'meaning'],
      Object.entries(exitMeanings).map(([code, text]) => [code, escaped(text)]),
    ),
    'Each error has a code of its own in capitals too: [errors](../errors.md).',
  ].join('\n\n')
}

function noteText(note: HelpNote): string {
  if (note.kind === 'heading') return `## ${note.text.replace(/:$/, '')}`
  return note.kind === 'paragraph' ? escaped(note.text) : fenced(note.lines)
}

function itemTable(title: string, items: readonly PageItem[]): string {
  const hasVariable = items.some(({ variable }) => variable !== undefined)
  return table(
    [title, 'what it is', 'default', ...(hasVariable ? ['variable'] : [])],
    items.map(({ term, description, choices, fallback, variable }) => [
      `\`${term}\``,
      escaped(
        [description, ...(choices.length === 0 ? [] : [`(one of ${choices.join(', ')})`])].join(' ').trim(),
      ),
      fallback === undefined ? '' : escaped(fallback),
      ...(hasVariable ? [variable === undefined ? '' : `\`${variable}\``] : []),
    ]),
  )
}

function commandTable(commands: readonly { readonly path: string; readonly description: string }[]): string {
  return table(
    ['command', 'what it does'],
    commands.map(({ path, description }) => [`[${path}](${linkTo(path)})`, escaped(description)]),
  )
}

function linkTo(path: string): string {
  return path === 'trow' ? 'README.md' : `${pageName(path)}.md`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function fenced(lines: readonly string[]): string {
  return ['```sh', ...lines, '```'].join('\n')
}

/** A sentence of a phrase. */
function sentence(phrase: string): string {
  return `${phrase.charAt(0).toUpperCase()}${phrase.slice(1)}.`
}

/** Markdown takes these signs for its own. */
function escaped(text: string): string {
  return text.replaceAll(/[<>*[\]`\\]/g, '\\$&')
}
