/**
 * Reads the common format of ar(5), which Debian packages use (deb(5)). Throws Error with a readable message
 * for anything else.
 */
export function readAr(archive: Buffer): ReadonlyMap<string, Buffer> {
  if (archive.toString('latin1', 0, 8) !== '!<arch>\n') throw new Error('it does not begin as an ar archive')
  const members = new Map<string, Buffer>()
  for (let at = 8; at < archive.length;) {
    const header = archive.toString('latin1', at, at + 60)
    if (header.length < 60) throw new Error(`the header at byte ${at} is cut short`)
    if (!header.endsWith('`\n')) throw new Error(`there is no header at byte ${at}`)
    const name = header.slice(0, 16).trimEnd().replace(/\/$/, '')
    const digits = header.slice(48, 58).trimEnd()
    if (!/^\d{1,10}$/.test(digits)) throw new Error(`the size of ${name} is no number`)
    const [from, size] = [at + 60, Number(digits)]
    if (from + size > archive.length) throw new Error(`${name} is cut short`)
    if (members.has(name)) throw new Error(`${name} is there twice`)
    members.set(name, archive.subarray(from, from + size))
    at = from + size + (size % 2)
  }
  return members
}
