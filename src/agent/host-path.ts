import { readlink } from 'node:fs/promises'
import { join, normalize } from 'node:path'

const mostLinks = 40

/**
 * Where a file of the machine stands for this process. Links are followed as the machine follows them: one to an absolute
 * path begins at the machine's root, not at ours. What is not there is the path it would have.
 */
export async function hostPath(hostRoot: string, path: string): Promise<string> {
  const pending = normalize(`/${path}`).split('/').filter(Boolean)
  let resolved: string[] = []
  for (let links = 0; ;) {
    const name = pending.shift()
    if (name === undefined) return join(hostRoot, ...resolved)
    if (name === '..') {
      resolved = resolved.slice(0, -1)
      continue
    }
    const target = await linkTarget(join(hostRoot, ...resolved, name))
    if (target === undefined) {
      resolved.push(name)
      continue
    }
    if (++links > mostLinks) throw new Error(`too many links on the way to ${path}`)
    if (target.startsWith('/')) resolved = []
    pending.unshift(...target.split('/').filter((part) => part !== '' && part !== '.'))
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch {
    return undefined
  }
}
