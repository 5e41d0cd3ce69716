/**
 * Compares by Debian Policy 5.6.12: `[epoch:]upstream[-revision]`. Negative if `a` is older, 0 if both are
 * equal.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [split(a), split(b)]
  return (
    left.epoch - right.epoch ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  )
}

function split(version: string): { epoch: number; upstream: string; revision: string } {
  const [, epoch = '0', rest = ''] = /^(?:(\d+):)?(.*)$/.exec(version) ?? []
  const dash = rest.lastIndexOf('-')
  return dash < 0
    ? { epoch: Number(epoch), upstream: rest, revision: '' }
    : { epoch: Number(epoch), upstream: rest.slice(0, dash), revision: rest.slice(dash + 1) }
}

/**
 * Compares parts without digits and numbers alternately. `~` sorts before the end of a part, letters before
 * other characters.
 */
function compareParts(a: string, b: string): number {
  for (let [left, right] = [a, b]; left !== '' || right !== '';) {
    const [wordA, wordB] = [/^\D*/.exec(left)![0], /^\D*/.exec(right)![0]]
    for (let at = 0; at < Math.max(wordA.length, wordB.length); at++) {
      const difference = weight(wordA[at]) - weight(wordB[at])
      if (difference !== 0) return difference
    }
    ;[left, right] = [left.slice(wordA.length), right.slice(wordB.length)]
    const [numberA, numberB] = [/^\d*/.exec(left)![0], /^\d*/.exec(right)![0]]
    const [valueA, valueB] = [BigInt(numberA || '0'), BigInt(numberB || '0')]
    if (valueA !== valueB) return valueA < valueB ? -1 : 1
    ;[left, right] = [left.slice(numberA.length), right.slice(numberB.length)]
  }
  return 0
}

function weight(character: string | undefined): number {
  if (character === undefined) return 0
  if (character === '~') return -1
  return /[A-Za-z]/.test(character) ? character.charCodeAt(0) : character.charCodeAt(0) + 256
}
