const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const grammar = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[0-9a-f:.]{2,45}\\])(?::[1-9][0-9]{0,4})?$`)

/**
 * Returns whether a text is the host of image references in lower case, with or without a port:
 * `trow.trow.svc`, `registry.example.com:5000`, `[fd00::1]:443` (the `domain` of distribution's reference
 * grammar). Such a text is a safe folder name, and a single word in every file format that trow writes.
 */
export function isRegistryHost(text: string): boolean {
  return text.length <= 259 && grammar.test(text)
}
