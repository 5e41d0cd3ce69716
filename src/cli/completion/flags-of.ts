/** The flags that say where to ask. */
export interface PlaceFlags {
  readonly kubeconfig?: string
  readonly registry?: string
  readonly ca?: string
  readonly plainHttp?: boolean
}

const names = { '--kubeconfig': 'kubeconfig', '--registry': 'registry', '--ca': 'ca' } as const

/** Reads them from a command line that is not complete yet: `--ca file`, `--ca=file`. */
export function flagsOf(words: readonly string[]): PlaceFlags {
  const found: { -readonly [Name in keyof PlaceFlags]: PlaceFlags[Name] } = {}
  for (const [index, word] of words.slice(0, -1).entries()) {
    if (word === '--plain-http') found.plainHttp = true
    for (const [flag, name] of Object.entries(names)) {
      const value =
        word === flag
          ? words[index + 1]
          : word.startsWith(`${flag}=`)
            ? word.slice(flag.length + 1)
            : undefined
      if (value !== undefined) found[name] = value
    }
  }
  return found
}
