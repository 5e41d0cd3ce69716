interface EqualMutants {
  readonly file: string
  /** The line, without its indentation. */
  readonly code: string
  readonly mutants: readonly string[]
  readonly why: string
}

/** Changes that no test can notice, since nothing that anybody sees changes, and why. */
export const equalMutants: readonly EqualMutants[] = [
  {
    file: 'src/policy/exception-index.ts',
    code: '.sort((a, b) => b.expires - a.expires || (a.name < b.name ? -1 : 1))',
    mutants: ['< -> <=', '1 -> 2'],
    why: 'A sort looks at the sign alone, and no two exceptions have one name.',
  },
  {
    file: 'src/policy/image-reference.ts',
    code: "const [path, tag] = cut(rest, rest.indexOf(':'))",
    mutants: ['indexOf -> lastIndexOf'],
    why: 'With two colons either half is no path or no tag, and both are REF_SYNTAX.',
  },
  {
    file: 'src/policy/image-reference.ts',
    code: 'return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]',
    mutants: ['< -> <=', '0 -> 1'],
    why: 'A mark that stands first leaves nothing before it, and is no character of a path: both are REF_SYNTAX.',
  },
  {
    file: 'src/policy/load-problem.ts',
    code: "if (issue.code === 'invalid_value') {",
    mutants: ["issue.code === 'invalid_value' -> true"],
    why: 'All other issues of these schemas have words of their own; the condition is for schemas of others.',
  },
  {
    file: 'src/policy/scope-index.ts',
    code: "for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1))",
    mutants: ["'.' -> ''", '>= -> >', '0 -> 1', '1 -> 2'],
    why: 'No canonical host begins with a dot or has two in a row, and a key more that is no scope finds nothing.',
  },
  {
    file: 'src/policy/scope.ts',
    code: 'const path = slash < 0 ? undefined : text.slice(slash + 1)',
    mutants: ['< -> <=', '0 -> 1'],
    why: 'A slash that stands first leaves no host before it, which is refused in the same words with any path.',
  },
  {
    file: 'src/policy/shown.ts',
    code: 'return `\\\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`',
    mutants: ['0 -> 1'],
    why: 'A character that was met has a code point: the zero is for the compiler.',
  },
  {
    file: 'src/policy/trow-exception.ts',
    code: 'const begun = created <= settings.now ? created : settings.now',
    mutants: ['<= -> <'],
    why: 'Where both are equal it is all the same which is taken.',
  },
]
