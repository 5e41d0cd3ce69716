/** Returns the arguments of `addHelpText` that put these command lines below the options. */
export function examples(...lines: readonly string[]): ['after', string] {
  return ['after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`]
}
