import { asciiText } from '../../src/cli/locale.ts'
import { exitMeanings } from '../../src/user-error.ts'
import { pageName, type CommandPage, type PageItem } from './command-page.ts'

/** Returns the man page of a command, as man(7) has it: ASCII, so that any locale shows it. */
export function manPage(page: CommandPage, version: string): string {
  const { path, name, description, usage, children, parent, notes } = page
  const related = [
    ...(parent === undefined ? [] : [parent]),
    ...children.map((child) => child.path),
    ...(path === 'trow' ? [] : ['trow']),
  ]
  return [
    `.TH "${name.toUpperCase()}" "1" "" "trow ${version}" "trow"`,
    '.SH NAME',
    `${name} \\- ${text(description)}`,
    '.SH SYNOPSIS',
    `.B ${text(usage)}`,
    ...(page.arguments.length === 0 ? [] : ['.SH ARGUMENTS', ...page.arguments.flatMap(itemLines)]),
    ...(page.options.length === 0 ? [] : ['.SH OPTIONS']),
    ...page.options.flatMap(({ heading, items }) => [
      ...(heading === 'Options' ? [] : [`.SS ${text(heading)}`]),
      ...items.flatMap(itemLines),
    ]),
    ...(children.length === 0 ? [] : ['.SH COMMANDS', ...children.flatMap(childLines)]),
    ...(notes[0]?.kind === 'paragraph' ? ['.SH NOTES'] : []),
    ...notes.flatMap((note) => {
      if (note.kind === 'heading') return [`.SH ${text(note.text.replace(/:$/, '').toUpperCase())}`]
      return note.kind === 'paragraph'
        ? ['.PP', text(note.text)]
        : ['.PP', '.EX', ...note.lines.map(text), '.EE']
    }),
    '.SH EXIT STATUS',
    ...Object.entries(exitMeanings).flatMap(([code, meaning]) => ['.TP', `.B ${code}`, text(meaning)]),
    '.SH SEE ALSO',
    [...new Set(related)].map((each) => `.BR ${pageName(each).replaceAll('-', '\\-')} (1)`).join(' ,\n'),
    '',
  ].join('\n')
}

function itemLines({ term, description, choices, fallback, variable }: PageItem): readonly string[] {
  const facts = [
    ...(choices.length === 0 ? [] : [`one of ${choices.join(', ')}`]),
    ...(fallback === undefined ? [] : [`default: ${fallback}`]),
    ...(variable === undefined || fallback?.includes(variable) === true || description.includes(variable)
      ? []
      : [`variable: ${variable}`]),
  ]
  const whole = [description, ...(facts.length === 0 ? [] : [`(${facts.join('; ')})`])].join(' ').trim()
  return ['.TP', `.B ${text(term)}`, text(whole)]
}

function childLines({ path, description }: CommandPage['children'][number]): readonly string[] {
  return ['.TP', `.B ${text(path)}`, text(description)]
}

/** roff takes a backslash, and a dot or an apostrophe at the beginning of a line, for its own. */
function text(plain: string): string {
  return asciiText(plain)
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^[.']/, '\\&$&')
    .replace(/^ +/, (spaces) => `\\&${spaces}`)
}
